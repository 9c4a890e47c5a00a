/**
 * The threads beside this one. They take jobs through shared memory, because a message would take
 * longer than most kernels run; a job is a kernel's index and its arguments.
 */

import { DeviceError } from "../device_error.ts";

/**
 * Workers that run kernels, each its part. They keep the process alive until they are disposed of:
 * the Web's workers cannot be told otherwise.
 */
export interface Workers extends Disposable {
  /** Sets all workers to `kernel(part, parts, ...args)`; parts 1 … parts − 1 are theirs. */
  begin(kernel: number, args: readonly number[]): void;
  /** Whether they still look for work. */
  readonly awake: boolean;
  /** Waits until all are done. @throws {DeviceError} If a kernel trapped in one. */
  finish(): void;
}

/** Where things lie in the control block: indices of Int32 words, each busy one on a line of its own. */
const LAYOUT = {
  /** Counts jobs; a change starts one. */
  sequence: 0,
  /** Workers that have not finished the job. */
  remaining: 16,
  /** Of the job; −1 ends the worker. */
  kernel: 32,
  argCount: 33,
  /** The part that failed, 0 for none, and the length of its message. */
  failed: 34,
  messageLength: 35,
  /** Bytes: f64 arguments, and the message in 16-bit characters. */
  args: 256,
  message: 1024,
};
const CONTROL_BYTES = 2048;
const MAX_ARGS = 64;

/**
 * How long to look for work, or for the end of it, before the thread sleeps. Waking takes 0.1 ms, and
 * a thread that is woken may be put on its waker's core and stay there for seconds, at half the speed
 * (seen on Linux 6.18 with two cores): so sleep is for pauses, not for the gaps between operations.
 */
const SPIN_MS = 2;

interface Start {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: SharedArrayBuffer;
  layout: typeof LAYOUT;
  spinMs: number;
  part: number;
  parts: number;
}

/** Starts `parts − 1` workers over one shared memory; resolves when they are ready. */
export async function startWorkers(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  parts: number,
): Promise<Workers> {
  const control = new SharedArrayBuffer(CONTROL_BYTES);
  const url = URL.createObjectURL(
    new Blob([`(${serve})()`], { type: "application/javascript" }),
  );
  const workers = Array.from(
    { length: parts - 1 },
    () => new Worker(url, { type: "module" }),
  );
  const crew = command(control, workers);
  try {
    const common = { module, memory, control, layout: LAYOUT, spinMs: SPIN_MS, parts };
    await Promise.all(workers.map((worker, i) => ready(worker, { ...common, part: i + 1 })));
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
  let doneAt = -Infinity;

  function publish(kernel: number): void {
    state[LAYOUT.kernel] = kernel;
    Atomics.store(state, LAYOUT.remaining, workers.length);
    Atomics.add(state, LAYOUT.sequence, 1);
    Atomics.notify(state, LAYOUT.sequence);
  }

  return {
    get awake() {
      return performance.now() - doneAt < SPIN_MS;
    },
    begin(kernel, values) {
      args.set(values);
      state[LAYOUT.argCount] = values.length;
      state[LAYOUT.failed] = 0;
      publish(kernel);
    },
    finish() {
      const spinEnd = performance.now() + SPIN_MS;
      for (let turn = 1;; turn++) {
        const remaining = Atomics.load(state, LAYOUT.remaining);
        if (remaining === 0) break;
        // The clock is slow to read, next to a word of memory.
        if (turn % 64 !== 0 || !mayWait || performance.now() < spinEnd) continue;
        Atomics.wait(state, LAYOUT.remaining, remaining);
      }
      doneAt = performance.now();
      if (state[LAYOUT.failed] !== 0) throw new DeviceError(failure(control, state));
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
      reject(new DeviceError(`Cannot start thread ${start.part}: ${problem}`));
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
    return Atomics.wait(state, LAYOUT.sequence, -1, 0) === "not-equal";
  } catch {
    return false;
  }
}

function failure(control: SharedArrayBuffer, state: Int32Array): string {
  const length = state[LAYOUT.messageLength];
  const message = String.fromCharCode(...new Uint16Array(control, LAYOUT.message, length));
  return `Cannot finish a kernel as it failed in part ${state[LAYOUT.failed]}: ${message}`;
}

/**
 * The program of a worker. Its text is all that a worker gets, so it names nothing outside itself
 * but what the engine has.
 */
function serve(): void {
  const scope = self as unknown as {
    onmessage: (event: { data: Start }) => void;
    postMessage(message: string): void;
  };
  scope.onmessage = ({ data: { module, memory, control, layout, spinMs, part, parts } }) => {
    const state = new Int32Array(control);
    const args = new Float64Array(control, layout.args);
    const message = new Uint16Array(control, layout.message);
    let kernels: ((...args: number[]) => void)[];
    try {
      const { exports } = new WebAssembly.Instance(module, { env: { memory } });
      kernels = WebAssembly.Module.exports(module).map(({ name }) => exports[name] as typeof serve);
    } catch (error) {
      return scope.postMessage(String(error));
    }
    let sequence = Atomics.load(state, layout.sequence);
    scope.postMessage("");
    for (;;) {
      const spinEnd = performance.now() + spinMs;
      for (let turn = 1; Atomics.load(state, layout.sequence) === sequence; turn++) {
        if (turn % 64 !== 0 || performance.now() < spinEnd) continue;
        Atomics.wait(state, layout.sequence, sequence);
      }
      sequence = sequence + 1 | 0;
      if (state[layout.kernel] < 0) return;
      try {
        kernels[state[layout.kernel]](part, parts, ...args.subarray(0, state[layout.argCount]));
      } catch (error) {
        const text = String(error).slice(0, 400);
        for (let i = 0; i < text.length; i++) message[i] = text.charCodeAt(i);
        state[layout.messageLength] = text.length;
        state[layout.failed] = part;
      }
      if (Atomics.sub(state, layout.remaining, 1) === 1) Atomics.notify(state, layout.remaining);
    }
  };
}
