/** Bytes of a cache line: every address is a multiple, every size is rounded up to one. */
const LINE = 64;
const PAGE = 65536;
/** What addresses of 32 bits reach. */
export const MEMORY_BYTES: number = 2 ** 32;

/** Hands out parts of a WebAssembly memory. */
export interface Heap {
  /** Bytes handed out now, rounded up to whole lines. */
  readonly bytes: number;
  /** @throws {RangeError} If memory is short. */
  alloc(bytes: number): number;
  /** @throws {RangeError} If `alloc` did not give this address, or it was freed before. */
  free(address: number): void;
}

interface Hole {
  start: number;
  end: number;
}

/**
 * First fit over a list of holes in order of address; holes that touch become one. The memory
 * grows as needed. Its last line is never handed out, so that a vector may be read past any end.
 */
export function createHeap(memory: WebAssembly.Memory, base: number): Heap {
  const sizes = new Map<number, number>();
  const holes: Hole[] = [];
  let end = roundUp(base, LINE);
  let bytes = 0;
  extend();

  /** Makes what lies between the known end and the memory's a hole. */
  function extend(): void {
    const start = end;
    end = memory.buffer.byteLength - LINE;
    if (end > start) release(start, end);
  }

  function grow(size: number): void {
    const last = holes.at(-1);
    const missing = size - (last?.end === end ? last.end - last.start : 0);
    const wanted = Math.max(missing, memory.buffer.byteLength >> 3);
    if (!growPages(memory, wanted) && !growPages(memory, missing)) {
      throw new RangeError(
        `Cannot allocate ${size} bytes as the CPU device's memory is full: ` +
          `${bytes} bytes are in use, of at most 4 GiB`,
      );
    }
    extend();
  }

  /** Puts a hole in its place, joined with its neighbours. */
  function release(start: number, end: number): void {
    let at = indexAfter(holes, start);
    if (at > 0 && holes[at - 1].end === start) holes[--at].end = end;
    else holes.splice(at, 0, { start, end });
    if (at + 1 < holes.length && holes[at + 1].start === end) {
      holes[at].end = holes[at + 1].end;
      holes.splice(at + 1, 1);
    }
  }

  /** The first part of the first hole that is large enough. */
  function take(size: number): number | undefined {
    const at = holes.findIndex((hole) => hole.end - hole.start >= size);
    if (at < 0) return undefined;
    const start = holes[at].start;
    holes[at].start += size;
    if (holes[at].start === holes[at].end) holes.splice(at, 1);
    return start;
  }

  return {
    get bytes() {
      return bytes;
    },
    alloc(count) {
      const size = Math.max(LINE, roundUp(count, LINE));
      let address = take(size);
      if (address === undefined) {
        grow(size);
        address = take(size)!;
      }
      sizes.set(address, size);
      bytes += size;
      return address;
    },
    free(address) {
      const size = sizes.get(address);
      if (size === undefined) {
        throw new RangeError(`Cannot free address ${address} as nothing is allocated there`);
      }
      sizes.delete(address);
      bytes -= size;
      release(address, address + size);
    },
  };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Grows the memory by at least so many bytes, if it can. */
function growPages(memory: WebAssembly.Memory, bytes: number): boolean {
  try {
    memory.grow(Math.ceil(bytes / PAGE));
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Where in the list of holes one that starts at `address` belongs. */
function indexAfter(holes: readonly Hole[], address: number): number {
  let low = 0;
  let high = holes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holes[middle].start < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
