import { reference } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

Deno.test("joinRowsBackward() adds the slopes of joinRows()", async () => {
  await assertGradients(reference, {
    inputs: [[2, 3, 2, 3], [2, 1, 2, 3]],
    out: [2, 4, 2, 3],
    forward: (device, [a, b], out) => device.joinRows(a, b, out),
    backward: (device, _, dOut, [dA, dB]) => device.joinRowsBackward(dOut, dA, dB),
  });
});
