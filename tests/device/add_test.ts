import { throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

for (const length of [1, 3, 4, 5, 63, 64, 65, 40000]) {
  testLikeReference(
    `add() of ${length}`,
    ({ device, input, output }) =>
      device.add(input([length]), input([length]), output("out", [length])),
    { atol: 1e-6, rtol: 1e-6 },
  );
}

testOnEach("add() may write over its input", async (device) => {
  using a = device.tensor([2, 3], { data: [1, 2, 3, 4, 5, 6] });
  using b = device.tensor([2, 3], { data: [6, 5, 4, 3, 2, 1] });
  device.add(a, b, a);
  device.add(b, a, a);
  device.add(b, b, b);
  assertClose(await device.read(a), [13, 12, 11, 10, 9, 8], EXACT);
  assertClose(await device.read(b), [12, 10, 8, 6, 4, 2], EXACT);
});

testOnEach("add() refuses unequal shapes", (device) => {
  using a = device.tensor([2, 3]);
  using b = device.tensor([3, 2]);
  throws(() => device.add(a, b, a), { name: "RangeError", message: /add.*\[3, 2\].*\[2, 3\]/ });
});
