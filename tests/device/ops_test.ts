import { deepEqual } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { eagerOps } from "../../src/device/ops.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";

/** A device that counts copies. */
function counting(): { device: Device; copies: () => number } {
  const device = referenceDevice();
  let copies = 0;
  const copy = (from: Tensor, to: Tensor): void => {
    copies++;
    device.copy(from, to);
  };
  return {
    device: new Proxy(device, { get: (of, key) => key === "copy" ? copy : Reflect.get(of, key) }),
    copies: () => copies,
  };
}

for (const isView of [false, true]) {
  Deno.test(`a scope's result outlives it${isView ? ", a view's numbers too" : ", without a copy"}`, async () => {
    const { device, copies } = counting();
    const before = device.bytes;
    {
      using ops = eagerOps(device);
      const x = ops.input([2], { data: [1, 2] });
      const result = await ops.scope((inner) => {
        const sum = inner.add(x, x);
        return isView ? inner.reshape(sum, [1, 2]) : sum;
      });
      // What the scope freed is overwritten.
      ops.input([2], { data: [7, 7] });
      deepEqual([...await device.read(result)], [2, 4]);
      deepEqual(copies(), isView ? 1 : 0);
    }
    deepEqual(device.bytes, before);
  });
}
