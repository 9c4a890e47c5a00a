/**
 * Dawn asks whether work is done by `setImmediate`, again and again while anything is waited for, and
 * makes a function each time. Deno's engine searches all of a native module's functions for each one
 * that it lets go: 25 seconds of training left so many that the collection of them took minutes.
 */

/** Between two questions, in milliseconds. */
const TICK_MS = 1;

type Immediate = (callback: (...args: unknown[]) => void, ...args: unknown[]) => unknown;

/** Lets native callbacks of `setImmediate` come by timers, until it is disposed of; others are as before. */
export function slowNativeTicks(): Disposable {
  const scope = globalThis as unknown as { setImmediate: Immediate };
  const before = scope.setImmediate;
  const slowed: Immediate = (callback, ...args) =>
    isNative(callback) ? setTimeout(callback, TICK_MS, ...args) : before(callback, ...args);
  scope.setImmediate = slowed;
  return {
    [Symbol.dispose]() {
      if (scope.setImmediate === slowed) scope.setImmediate = before;
    },
  };
}

function isNative(callback: unknown): boolean {
  return typeof callback === "function" &&
    Function.prototype.toString.call(callback).endsWith("{ [native code] }");
}
