/**
 * The threads beside this one. A kernel's work is cut into parts, more than there are threads, and
 * whoever is free takes the next one through shared memory (a message would take longer than most
 * kernels run). So a thread that sleeps, or whose core is taken by others, is not waited for, unless
 * in the midst of a part.
 */

import { DeviceError } from "../device_error.ts";
import { LAYOUT, serve, type Start } from "./worker.ts";

/**
 * Workers that run kernels beside this thread. They keep the process alive until they are disposed
 * of: the Web's workers cannot be told otherwise.
 */
export interface Workers extends Disposable {
  /** Whether all still look for work, and start at once; asleep they need 0.1 ms. */
  readonly awake: boolean;
  /**
   * Runs `kernel(part, parts, ...args)` for each part on some thread; returns when all are done.
   * @param index The kernel's number among the module's exports.
   * @throws {DeviceError} If it trapped in one of them.
   */
  run(kernel: Kernel, index: number, parts: number, args: readonly number[]): void;
}

/** A function of the module. */
export type Kernel = (...args: number[]) => number;

const CONTROL_BYTES = 2048;
const MAX_ARGS = 64;

/** How long to look for the end of others' parts before this thread sleeps: they may need its core. */
const SPIN_MS = 0.2;

/**
 * Two things say that the machine is busy. Others are waited for longer than this, and than a few
 * parts take: one was put off its core in the midst of a part. Or waking them takes longer than this:
 * one was put on this thread's core, and took its turn at once. Of all time, this share may be lost
 * so, and so much at once, in which the system may find the threads better places: then this one works
 * alone until the share is met again.
 */
const LOSS = { waitMs: 0.15, parts: 4, wakeMs: 0.05, share: 1 / 32, onceMs: 24 };

/** Starts `threads − 1` workers over one shared memory; resolves when they are ready. */
export async function startWorkers(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): Promise<Workers> {
  const control = new SharedArrayBuffer(CONTROL_BYTES);
  const url = URL.createObjectURL(
    new Blob([`(${serve})()`], { type: "application/javascript" }),
  );
  const workers = Array.from(
    { length: threads - 1 },
    () => new Worker(url, { type: "module" }),
  );
  const crew = command(control, workers);
  try {
    const common = { module, memory, control, layout: LAYOUT };
    await Promise.all(workers.map((worker, i) => ready(worker, { ...common, thread: i + 1 })));
  } catch (error) {
    crew[Symbol.dispose]();
    throw error;
  } finally {
    URL.revokeObjectURL(url);
  }
  return crew;
}

/** This thread's side of the control block. */
function command(control: SharedArrayBuffer, workers: readonly Worker[]): Workers {
  const state = new Int32Array(control);
  const args = new Float64Array(control, LAYOUT.args, MAX_ARGS);
  const mayWait = canWait(state);
  let failure: string | undefined;
  /** When what was lost will have been a small enough share of the time; until when to work alone. */
  let [metAt, aloneUntil] = [0, 0];

  /** Offers parts to the workers; returns whether some had to be woken. */
  function publish(parts: number): boolean {
    Atomics.store(state, LAYOUT.left, parts);
    if (Atomics.load(state, LAYOUT.asleep) === 0) return false;
    Atomics.notify(state, LAYOUT.left);
    return true;
  }

  /** Notes that time was lost to a busy machine. */
  function lose(ms: number): void {
    const now = performance.now();
    metAt = Math.max(metAt, now) + ms / LOSS.share;
    if (metAt > now + LOSS.onceMs / LOSS.share) aloneUntil = metAt;
  }

  /** Takes parts until there are none, and says how many it took. */
  function takeParts(kernel: Kernel, parts: number, values: readonly number[]): number {
    let taken = 0;
    for (let left; (left = Atomics.load(state, LAYOUT.left)) > 0;) {
      if (Atomics.compareExchange(state, LAYOUT.left, left, left - 1) !== left) continue;
      takePart(kernel, parts - left, parts, values);
      taken++;
    }
    return taken;
  }

  function takePart(kernel: Kernel, part: number, parts: number, values: readonly number[]): void {
    try {
      kernel(part, parts, ...values);
    } catch (error) {
      failure = `${part}: ${error}`;
    }
  }

  /** Shares a job out, and returns when it is done. */
  function share(kernel: Kernel, index: number, parts: number, values: readonly number[]): void {
    args.set(values);
    state[LAYOUT.kernel] = index;
    state[LAYOUT.argCount] = values.length;
    state[LAYOUT.parts] = parts;
    state[LAYOUT.failed] = 0;
    state[LAYOUT.job]++;
    Atomics.store(state, LAYOUT.done, 0);
    const start = performance.now();
    if (publish(parts)) {
      const waking = performance.now() - start;
      if (waking > LOSS.wakeMs) lose(waking);
    }
    const taken = takeParts(kernel, parts, values);
    const end = performance.now();
    const waited = finish(parts - taken);
    if (waited > LOSS.waitMs && waited > LOSS.parts * (end - start) / taken) lose(waited);
    failure ??= workerFailure(control, state);
  }

  /** Waits until others have done so many parts; returns how long, in ms, they were seen not to. */
  function finish(count: number): number {
    if (Atomics.load(state, LAYOUT.done) === count) return 0;
    const start = performance.now();
    let seen = start;
    for (let turn = 1;; turn++) {
      const done = Atomics.load(state, LAYOUT.done);
      if (done === count) return seen - start;
      Atomics.pause?.();
      if (turn % 64 !== 0) continue;
      seen = performance.now();
      if (!mayWait || seen < start + SPIN_MS) continue;
      Atomics.wait(state, LAYOUT.done, done);
      seen = performance.now();
    }
  }

  return {
    get awake() {
      return Atomics.load(state, LAYOUT.asleep) === 0;
    },
    run(kernel, index, parts, values) {
      failure = undefined;
      if (performance.now() < aloneUntil) takePart(kernel, 0, 1, values);
      else share(kernel, index, parts, values);
      if (failure === undefined) return;
      throw new DeviceError(`Cannot finish a kernel as it failed in part ${failure}`);
    },
    [Symbol.dispose]() {
      publish(-1);
      for (const worker of workers) worker.terminate();
    },
  };
}

/** Resolves when the worker has its kernels and waits for work: it sends what is wrong, or "". */
function ready(worker: Worker, start: Start): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (problem: string) =>
      reject(new DeviceError(`Cannot start thread ${start.thread}: ${problem}`));
    worker.onmessage = ({ data: problem }) => problem === "" ? resolve() : fail(problem);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    worker.postMessage(start);
  });
}

/** Whether this thread may sleep: in a browser, the page's own may not. */
function canWait(state: Int32Array): boolean {
  try {
    return Atomics.wait(state, LAYOUT.left, -1, 0) === "not-equal";
  } catch {
    return false;
  }
}

/** In which part a kernel failed in a worker and how, if it did. */
function workerFailure(control: SharedArrayBuffer, state: Int32Array): string | undefined {
  if (state[LAYOUT.failed] === 0) return undefined;
  const message = new Uint16Array(control, LAYOUT.message, state[LAYOUT.messageLength]);
  return `${state[LAYOUT.failed] - 1}: ${String.fromCharCode(...message)}`;
}
