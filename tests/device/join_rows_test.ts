import { throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

const SHAPES = [
  { B: 1, m: 1, n: 1, rest: [1] },
  { B: 2, m: 3, n: 1, rest: [2, 3] },
  { B: 3, m: 5, n: 8, rest: [4, 8] },
  { B: 2, m: 0, n: 4, rest: [5] },
  { B: 2, m: 4, n: 0, rest: [3] },
  { B: 3, m: 130, n: 67, rest: [2, 33] },
  { B: 2, m: 100, n: 300, rest: [4, 64] },
];

for (const shape of SHAPES) {
  const { B, m, n, rest } = shape;
  testLikeReference(`joinRows() and back ${JSON.stringify(shape)}`, ({ device, input, output }) => {
    const [a, b] = [input([B, m, ...rest]), input([B, n, ...rest])];
    device.joinRows(a, b, output("out", [B, m + n, ...rest]));
    const dOut = input([B, m + n, ...rest]);
    device.joinRowsBackward(dOut, output("dA", a.shape), output("dB", b.shape));
    device.joinRowsBackward(dOut, undefined, output("dB alone", b.shape));
    device.joinRowsBackward(dOut, output("dA alone", a.shape), undefined);
    device.joinRowsBackward(dOut, undefined, undefined);
  }, { atol: 1e-7, rtol: 1e-6 });
}

testOnEach("joinRows() puts rows of the second behind those of the first", async (device) => {
  using a = device.tensor([2, 1, 2], { data: [1, 2, 3, 4] });
  using b = device.tensor([2, 2, 2], { data: [5, 6, 7, 8, 9, 10, 11, 12] });
  using out = device.tensor([2, 3, 2]);
  device.joinRows(a, b, out);
  assertClose(await device.read(out), [1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12], EXACT);
});

testOnEach("joinRows() refuses what does not fit", (device) => {
  using a = device.tensor([2, 1, 3]);
  using b = device.tensor([2, 2, 3]);
  using out = device.tensor([2, 3, 3]);
  using narrow = device.tensor([2, 1, 2]);
  using long = device.tensor([2, 4, 3]);
  const wrong = (message: RegExp) => ({ name: "RangeError", message });
  throws(() => device.joinRows(a, b, b), wrong(/joinRows.*1 \+ 2 rows.* 2$/));
  throws(() => device.joinRows(a, narrow, out), wrong(/\[2, 1, 2\]/));
  throws(() => device.joinRowsBackward(out, a, a), wrong(/joinRowsBackward.*1 \+ 1 rows.* 3$/));
  throws(() => device.joinRowsBackward(out, undefined, long), wrong(/4 rows.* 3$/));
  throws(() => device.joinRowsBackward(out, long, undefined), wrong(/4 .* 3$/));
  throws(() => device.joinRowsBackward(out, narrow, b), wrong(/\[2, 1, 2\]/));
});

Deno.test("joinRowsBackward() adds the slopes of joinRows()", async () => {
  await assertGradients(reference, {
    inputs: [[2, 3, 2, 3], [2, 1, 2, 3]],
    out: [2, 4, 2, 3],
    forward: (device, [a, b], out) => device.joinRows(a, b, out),
    backward: (device, _, dOut, [dA, dB]) => device.joinRowsBackward(dOut, dA, dB),
  });
});
