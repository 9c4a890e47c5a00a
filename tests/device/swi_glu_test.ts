import { throws } from "node:assert/strict";
import { assertClose } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

for (const length of [1, 3, 4, 5, 63, 64, 65, 20000]) {
  testLikeReference(`swiGlu() of ${length}`, ({ device, input, output }) => {
    device.swiGlu(input([1, length]), input([1, length]), output("out", [1, length]));
  }, { atol: 1e-6, rtol: 1e-5 });
  testLikeReference(`swiGluBackward() of ${length}`, ({ device, input, output }) => {
    const [gate, up, dOut] = [input([length]), input([length]), input([length])];
    device.swiGluBackward(gate, up, dOut, output("dGate", [length]), output("dUp", [length]));
  }, { atol: 2e-6, rtol: 1e-5 }); // products of three numbers, added to a fourth
}

testOnEach("swiGlu() does not overflow", async (device) => {
  using gate = device.tensor([1, 6], { data: [-1e4, -200, -50, 0, 200, 1e4] });
  using up = device.tensor([1, 6], { data: [1, 1, 1, 1, 1, 1] });
  using out = device.tensor([1, 6]);
  device.swiGlu(gate, up, out);
  assertClose(await device.read(out), [0, 0, 0, 0, 200, 1e4], { atol: 1e-6, rtol: 1e-6 });
  using dGate = device.tensor([1, 6]);
  using dUp = device.tensor([1, 6]);
  device.swiGluBackward(gate, up, up, dGate, dUp);
  assertClose(await device.read(dGate), [0, 0, 0, 0.5, 1, 1], { atol: 1e-6, rtol: 1e-6 });
});

testOnEach("swiGlu() refuses unequal shapes", (device) => {
  using gate = device.tensor([2, 3]);
  using up = device.tensor([2, 4]);
  throws(() => device.swiGlu(gate, up, gate), { name: "RangeError", message: /swiGlu.*\[2, 4\]/ });
});

Deno.test("swiGluBackward() adds the slopes of swiGlu()", async () => {
  await assertGradients(reference, {
    inputs: [[3, 5], [3, 5]],
    out: [3, 5],
    forward: (device, [gate, up], out) => device.swiGlu(gate, up, out),
    backward: (device, [gate, up], dOut, [dGate, dUp]) =>
      device.swiGluBackward(gate, up, dOut, dGate, dUp),
  });
});
