import { throws } from "node:assert/strict";
import type { Blocks } from "../../src/device/device.ts";
import { testLikeReference, testOnEach } from "../devices.ts";
import { landmarksAt } from "../plans.ts";
import { LANDMARK_CASES, landmarkInputs } from "./landmark_cases.ts";

for (const testCase of LANDMARK_CASES) {
  const { B, T, H, D, name, scale, sharpness } = testCase;
  testLikeReference(`landmarkAttention() ${name}`, (stage) => {
    const { q, k, v, blocks, foreign } = landmarkInputs(testCase, stage);
    const out = stage.output("out", [B, T, H, D]);
    const top = stage.output("top", [B, T, H]);
    const options = { foreign, ...(scale !== undefined && { scale }) };
    stage.device.landmarkAttention(q, k, v, blocks, out, top, options);
    // The larger a score, the coarser its last bit, and all of that error goes into a weight.
  }, { atol: 2e-6 * sharpness, rtol: 1e-5 });
}

testOnEach("blocks() refuses a plan that does not fit", (device) => {
  const isLandmark = new Uint8Array(4);
  const wrong = (message: RegExp) => ({ name: "RangeError", message });
  throws(() => device.blocks({ isLandmark }, 1, 5), wrong(/isLandmark.*5.*4/));
  throws(
    () => device.blocks({ isLandmark, present: new Uint8Array(3) }, 2, 4),
    wrong(/present.*4.*3/),
  );
  const document = Int32Array.of(1, 2, 2, 1);
  throws(() => device.blocks({ isLandmark, document }, 1, 4), wrong(/contiguous.*1.*3/));
});

testOnEach("landmarkAttention() refuses blocks that were freed, and another device's", (device) => {
  using q = device.tensor([1, 2, 1, 4]);
  using top = device.tensor([1, 2, 1]);
  const attendWith = (blocks: Blocks) => () => device.landmarkAttention(q, q, q, blocks, q, top);
  const freed = device.blocks(landmarksAt(2, []), 1, 2);
  freed[Symbol.dispose]();
  throws(attendWith(freed), { name: "TypeError", message: /blocks.*freed/ });
  const other = { rows: 1, keys: 2, [Symbol.dispose]: () => {} };
  throws(attendWith(other), { name: "TypeError", message: /blocks.*another device/ });
});

testOnEach("landmarkAttention() refuses what does not fit", (device) => {
  using q = device.tensor([1, 3, 4, 8]);
  using k = device.tensor([1, 5, 3, 8]);
  using kv = device.tensor([1, 5, 2, 8]);
  using few = device.tensor([1, 2, 2, 8]);
  using top = device.tensor([1, 3, 4]);
  using blocks = device.blocks(landmarksAt(5, [2]), 1, 5);
  using other = device.blocks(landmarksAt(2, []), 1, 2);
  using index = device.tensor([2, 3], { dtype: "i32" });
  const wrong = (message: RegExp) => ({ name: "RangeError", message });
  throws(
    () => device.landmarkAttention(q, k, k, blocks, q, top),
    wrong(/landmarkAttention.*3.*4|4.*3/),
  );
  throws(() => device.landmarkAttention(q, kv, k, blocks, q, top), wrong(/v .*\[1, 5, 2, 8\]/));
  throws(() => device.landmarkAttention(q, kv, kv, other, q, top), wrong(/blocks|plan/));
  throws(() => device.landmarkAttention(q, few, few, other, q, top), wrong(/T|quer/));
  const foreign = { keys: few, values: few, index };
  throws(
    () => device.landmarkAttention(q, kv, kv, blocks, q, top, { foreign }),
    wrong(/\[1, 2, 2, 8\]/),
  );
  using pool = device.tensor([2, 2, 8]);
  using outside = device.tensor([1, 2], { dtype: "i32", data: [-1, 2] });
  const far = { foreign: { keys: pool, values: pool, index: outside } };
  throws(() => device.landmarkAttention(q, kv, kv, blocks, q, top, far), wrong(/\[-1, 2\).* 2\b/));
  using first = device.tensor([1, 1], { dtype: "i32" });
  for (const weight of [0, -1, NaN, Infinity]) {
    const none = { foreign: { keys: pool, values: pool, index: first, weight } };
    const message = `landmarkAttention as foreign.weight must be .*: current value is ${weight}`;
    throws(
      () => device.landmarkAttention(q, kv, kv, blocks, q, top, none),
      wrong(new RegExp(message)),
    );
  }
});
