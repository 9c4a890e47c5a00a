import { ok, throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

for (const width of [1, 3, 4, 64, 65]) {
  for (const count of [1, 7, 300]) {
    const rows = 11;
    const name = `${count} rows of ${width}`;
    testLikeReference(`gather() of ${name}`, ({ device, random, input, indices, output }) => {
      const at = indices([count], random.integers(count, 0, rows - 1));
      device.gather(input([rows, width]), at, output("out", [count, width]));
    }, EXACT);
    testLikeReference(
      `gatherBackward() of ${name}`,
      ({ device, random, input, indices, output }) => {
        const at = indices([count], random.integers(count, 0, rows - 1));
        device.gatherBackward(input([count, width]), at, output("dX", [rows, width]));
      },
      { atol: 1e-5, rtol: 1e-5 },
    ); // some 30 sums of about 5
  }
}

testOnEach(
  "gather() takes rows of any shape, gatherBackward() adds repeated ones",
  async (device) => {
    using x = device.tensor([3, 1, 2], { data: [1, 2, 3, 4, 5, 6] });
    using rows = device.tensor([4], { dtype: "i32", data: [2, 0, 2, 2] });
    using out = device.tensor([4, 1, 2]);
    device.gather(x, rows, out);
    assertClose(await device.read(out), [5, 6, 1, 2, 5, 6, 5, 6], EXACT);
    device.gatherBackward(out, rows, x);
    assertClose(await device.read(x), [2, 4, 3, 4, 20, 24], EXACT);
  },
);

testOnEach("gather() refuses rows that do not fit", (device) => {
  using x = device.tensor([3, 2]);
  using rows = device.tensor([4], { dtype: "i32" });
  using out = device.tensor([3, 2]);
  throws(() => device.gather(x, rows, out), { name: "RangeError", message: /gather.*\[3, 2\]/ });
  throws(() => device.gather(x, x, out), { name: "TypeError", message: /gather.*i32/ });
  throws(() => device.gatherBackward(out, rows, x), { name: "RangeError", message: /\[3, 2\]/ });
});

testOnEach("gather() and gatherBackward() refuse a row that is not there", (device) => {
  using x = device.tensor([3, 2]);
  for (const row of [-1, 3]) {
    using rows = device.tensor([3], { dtype: "i32", data: [0, row, 2] });
    const wrong = { name: "RangeError", message: new RegExp(`rows .*\\[0, 3\\).* ${row}\\b`) };
    throws(() => device.gather(x, rows, x), wrong);
    throws(() => device.gatherBackward(x, rows, x), wrong);
  }
});

testOnEach("gather() takes rows that the device has made", async (device) => {
  using all = device.tensor([5, 2], { data: [-9, -9, 1, 2, 3, 4, 5, 6, -9, -9] });
  const x = device.view(all, 1, 3);
  using logits = device.tensor([3, 3], { data: [0, 2, 1, 5, 2, 1, 0, NaN, 0] });
  using none = device.tensor([1], { dtype: "i32" });
  using rows = device.tensor([3], { dtype: "i32" });
  using out = device.tensor([3, 2]);
  device.sample(logits, none, rows, { uniforms: [] });
  device.gather(x, device.view(rows, 0, 2), device.view(out, 0, 2));
  assertClose(await device.read(device.view(out, 0, 2)), [3, 4, 1, 2], EXACT);
  if (!device.info.remote) return;
  // What only the device knows is not refused, but reads nothing beyond the tensor.
  device.gather(x, rows, out);
  const [a, b] = (await device.read(out)).slice(4);
  ok([[1, 2], [3, 4], [5, 6]].some(([c, d]) => a === c && b === d), `${a}, ${b}`);
});

Deno.test("gatherBackward() adds the slopes of gather()", async () => {
  using rows = reference.tensor([4], { dtype: "i32", data: [2, 0, 2, 1] });
  await assertGradients(reference, {
    inputs: [[4, 3]],
    out: [4, 3],
    forward: (device, [x], out) => device.gather(x, rows, out),
    backward: (device, _, dOut, [dX]) => device.gatherBackward(dOut, rows, dX),
  });
});
