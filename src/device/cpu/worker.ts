/** What a worker runs, and the control block through which it is told what to do. */

/** Where things lie in the control block: indices of Int32 words, each busy one on a line of its own. */
export const LAYOUT = {
  /** Parts of the job that nobody has taken; −1 ends the workers. */
  left: 0,
  /** Parts that workers have done. */
  done: 16,
  /** Workers that sleep, or are about to. */
  asleep: 32,
  /** Of the job, valid for whoever holds a part of it: its number, its kernel, … */
  job: 48,
  kernel: 49,
  argCount: 50,
  parts: 51,
  /** The part that failed, plus 1, or 0 for none, and the length of its message. */
  failed: 52,
  messageLength: 53,
  /** Bytes: f64 arguments, and the message in 16-bit characters. */
  args: 256,
  message: 1024,
};

/** What a worker is sent. */
export interface Start {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: SharedArrayBuffer;
  layout: typeof LAYOUT;
  thread: number;
}

/**
 * The program of a worker. Its text is all that a worker gets, so it names nothing outside itself
 * but what the engine has.
 */
export function serve(): void {
  const scope = self as unknown as {
    onmessage: (event: { data: Start }) => void;
    postMessage(message: string): void;
  };
  /**
   * How long to look for work before the thread sleeps. Waking takes 0.1 ms, and a thread that is
   * woken may be put on its waker's core and stay there for seconds, at half the speed (seen on Linux
   * 6.18 with two cores): so sleep is for pauses, not for the gaps between operations.
   */
  const spinMs = 2;
  scope.onmessage = ({ data }) => {
    let kernels: Record<string, (...args: number[]) => void>;
    try {
      const { exports } = new WebAssembly.Instance(data.module, { env: { memory: data.memory } });
      kernels = exports as typeof kernels;
      kernels.setThread(data.thread);
    } catch (error) {
      return scope.postMessage(String(error));
    }
    const names = WebAssembly.Module.exports(data.module).map(({ name }) => name);
    scope.postMessage("");
    work(names.map((name) => kernels[name]), data);
  };

  /** Takes parts until there are none, and waits for more. */
  function work(kernels: ((...args: number[]) => void)[], { control, layout }: Start): void {
    const state = new Int32Array(control);
    const args = new Float64Array(control, layout.args);
    const message = new Uint16Array(control, layout.message);
    let [job, values] = [-1, [] as number[]];
    for (let left; (left = lookForParts(state, layout)) > 0;) {
      if (Atomics.compareExchange(state, layout.left, left, left - 1) !== left) continue;
      // From here on the job stands still: it waits for this part.
      if (job !== state[layout.job]) {
        job = state[layout.job];
        values = [...args.subarray(0, state[layout.argCount])];
      }
      const part = state[layout.parts] - left;
      try {
        kernels[state[layout.kernel]](part, state[layout.parts], ...values);
      } catch (error) {
        const text = String(error).slice(0, 400);
        for (let i = 0; i < text.length; i++) message[i] = text.charCodeAt(i);
        state[layout.messageLength] = text.length;
        state[layout.failed] = part + 1;
      }
      Atomics.add(state, layout.done, 1);
      Atomics.notify(state, layout.done);
    }
  }

  /** How many parts are left, as soon as there are some; −1 at the end. */
  function lookForParts(state: Int32Array, layout: typeof LAYOUT): number {
    let left = Atomics.load(state, layout.left);
    if (left !== 0) return left;
    const end = performance.now() + spinMs;
    for (let turn = 1; left === 0; turn++) {
      Atomics.pause?.();
      // The clock is slow to read, next to a word of memory.
      if (turn % 64 === 0 && performance.now() > end) {
        Atomics.add(state, layout.asleep, 1);
        Atomics.wait(state, layout.left, 0);
        Atomics.sub(state, layout.asleep, 1);
      }
      left = Atomics.load(state, layout.left);
    }
    return left;
  }
}
