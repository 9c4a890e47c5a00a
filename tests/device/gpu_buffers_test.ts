import { deepEqual } from "node:assert/strict";
import { testOnEach } from "../devices.ts";

testOnEach("large tensors that are freed while they wait to be used do no harm", async (device) => {
  // On a GPU: more than is kept for later, freed before the work on it was sent.
  for (const megabytes of [80, 40, 20]) {
    using large = device.tensor([megabytes * 2 ** 18]);
    device.fill(large, 1);
  }
  using small = device.tensor([2]);
  device.fill(small, 3);
  deepEqual([...await device.read(small)], [3, 3]);
});
