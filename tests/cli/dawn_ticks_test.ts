import { equal, ok } from "node:assert/strict";
import { slowNativeTicks } from "../../src/cli/dawn_ticks.ts";

type Immediate = (callback: (value: number) => void, value: number) => unknown;
const scope = globalThis as unknown as { setImmediate: Immediate };

/** Turns of the event loop until a callback comes. */
async function turnsUntil(begin: (done: () => void) => void): Promise<number> {
  let [turns, done] = [0, false];
  begin(() => done = true);
  while (!done) {
    turns++;
    await new Promise<void>((resolve) => scope.setImmediate(() => resolve(), 0));
  }
  return turns;
}

Deno.test("native callbacks of setImmediate wait for a timer, others do not, until it ends", async () => {
  const before = scope.setImmediate;
  // A bound function is native to the engine, as Dawn's are.
  const native = (done: () => void): () => void => done.bind(undefined);
  {
    using _ticks = slowNativeTicks();
    const start = performance.now();
    await turnsUntil((done) => scope.setImmediate(native(done), 0));
    ok(performance.now() - start >= 0.9);
    equal(await turnsUntil((done) => scope.setImmediate(() => done(), 0)), 1);
    const given = await new Promise((resolve) => scope.setImmediate(resolve.bind(undefined), 7));
    equal(given, 7);
  }
  equal(scope.setImmediate, before);
  equal(await turnsUntil((done) => scope.setImmediate(native(done), 0)), 1);
});
