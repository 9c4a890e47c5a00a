// thread: who runs this instance of the module. Every thread has one of its own, over the memory that
// all share, and with it a global of its own: it finds the thread's share of a work area.

let thread: u32 = 0;

/** Says once which of the device's threads this is; 0 is the caller's. */
export function setThread(index: u32): void {
  thread = index;
}

/** This thread's share of a work area. */
@inline
export function shareOf(work: usize, bytes: u32): usize {
  return work + thread * bytes;
}
