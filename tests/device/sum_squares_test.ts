import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

for (const length of [1, 3, 4, 5, 63, 64, 65, 1023, 50000]) {
  testLikeReference(`sumSquares() of ${length}`, ({ device, input, output }) => {
    device.sumSquares(input([length]), output("out", [1]));
  }, { atol: 1e-6, rtol: 1e-5 });
}

testOnEach("sumSquares() adds to what is there", async (device) => {
  using x = device.tensor([2, 2], { data: [1, 2, 3, 4] });
  using out = device.tensor([1], { data: [0.5] });
  device.sumSquares(x, out);
  device.sumSquares(x, out);
  assertClose(await device.read(out), [60.5], EXACT);
});
