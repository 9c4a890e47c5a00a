import { throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

for (const width of [1, 5, 64]) {
  for (const count of [1, 2, 63]) {
    const [rows, n] = [100, 9];
    const name = `${n} times ${count} rows of ${width}`;
    testLikeReference(`meanRows() of ${name}`, ({ device, random, input, indices, output }) => {
      const first = indices([n], random.integers(n, 0, rows - count));
      device.meanRows(input([rows, width]), first, output("out", [n, width]), { count });
    }, { atol: 1e-6, rtol: 1e-5 });
    testLikeReference(
      `meanRowsBackward() of ${name}`,
      ({ device, random, input, indices, output }) => {
        const first = indices([n], random.integers(n, 0, rows - count));
        device.meanRowsBackward(input([n, width]), first, output("dX", [rows, width]), { count });
      },
      { atol: 1e-6, rtol: 1e-5 },
    );
  }
}

testOnEach("meanRows() takes the mean of overlapping rows", async (device) => {
  using x = device.tensor([4, 2], { data: [1, 2, 3, 4, 5, 6, 7, 8] });
  using first = device.tensor([2], { dtype: "i32", data: [0, 1] });
  using out = device.tensor([2, 2]);
  device.meanRows(x, first, out, { count: 2 });
  assertClose(await device.read(out), [2, 3, 4, 5], EXACT);
  device.meanRowsBackward(out, first, x, { count: 2 });
  assertClose(await device.read(x), [2, 3.5, 6, 8, 7, 8.5, 7, 8], EXACT);
});

testOnEach("meanRows() refuses a count that is out of range", (device) => {
  using x = device.tensor([4, 2]);
  using first = device.tensor([2], { dtype: "i32" });
  using out = device.tensor([2, 2]);
  for (const count of [0, 5, 1.5]) {
    const wrong = { name: "RangeError", message: new RegExp(`meanRows.*count.*${count}`) };
    throws(() => device.meanRows(x, first, out, { count }), wrong);
  }
});

testOnEach("meanRows() refuses rows past the end", (device) => {
  using x = device.tensor([4, 2]);
  using first = device.tensor([2], { dtype: "i32", data: [0, 3] });
  using out = device.tensor([2, 2]);
  const wrong = { name: "RangeError", message: /first .*\[0, 3\).* 3\b/ };
  throws(() => device.meanRows(x, first, out, { count: 2 }), wrong);
  throws(() => device.meanRowsBackward(out, first, x, { count: 2 }), wrong);
});

Deno.test("meanRowsBackward() adds the slopes of meanRows()", async () => {
  using first = reference.tensor([3], { dtype: "i32", data: [2, 0, 1] });
  await assertGradients(reference, {
    inputs: [[5, 2]],
    out: [3, 2],
    forward: (device, [x], out) => device.meanRows(x, first, out, { count: 3 }),
    backward: (device, _, dOut, [dX]) => device.meanRowsBackward(dOut, first, dX, { count: 3 }),
  });
});
