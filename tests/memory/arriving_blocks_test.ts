import { equal, rejects } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { assertClose } from "../close.ts";
import { randomText, smallModel } from "./small_model.ts";

const SEED = 31;
/** The reference keeps f32 in f64, but for what the host stored. */
const NEAR = { atol: 1e-5, rtol: 1e-5 };
/** Bytes of a piece, f32: keys and values of four tokens, eight wide. */
const PIECE = 2 * 4 * 8 * 4;
/** The axes of a place that pieces are brought to. */
const PIECES = 4;

/** A device that is far away, as far as one can see, and counts the pieces that go there. */
function farAway(): { device: Device; written: () => number } {
  const near = referenceDevice();
  let written = 0;
  const own: Partial<Device> = {
    info: { ...near.info, remote: true },
    write(tensor: Tensor, data, at) {
      if (tensor.shape.length === PIECES) written++;
      near.write(tensor, data, at);
    },
  };
  const device = new Proxy(near, {
    get: (of, key) => own[key as keyof Device] ?? Reflect.get(of, key),
  });
  return { device, written: () => written };
}

Deno.test("blocks that a far device has just made are not brought there again", async () => {
  const ids = randomText(5, 90);
  const read = async (device: Device, entries: number): Promise<Float32Array> => {
    using small = await smallModel(device, SEED);
    using reader = small.reader({
      // Blocks are looked for by the host.
      evict: "leastRecentlyRead",
      budget: { device: entries * PIECE },
    });
    await reader.feed(ids, { goesOn: true });
    await reader.feed(Int32Array.of(100), {});
    return reader.next!;
  };
  const { device, written } = farAway();
  // Three layers, two heads; a section has two blocks, and the last two are read.
  const right = await read(referenceDevice(), 1000);
  assertClose(await read(device, 24), right, NEAR, "a pool of 24");
  equal(written(), 0);
  // The least there may be: what one token reads, in one layer. The rest is brought anew.
  assertClose(await read(device, 8), right, NEAR, "a pool of 8");
  equal(written() > 0, true);
});

Deno.test("a device that is lost while blocks are on their way is told of by the read alone", async () => {
  const near = referenceDevice();
  let isLost = false;
  const own: Partial<Device> = {
    info: { ...near.info, remote: true },
    read: async (tensor) => {
      await undefined;
      if (isLost) throw new Error("lost while it was read");
      return near.read(tensor);
    },
    // The first landmark is written when bytes are asked for already.
    copy(x: Tensor, out: Tensor) {
      if (isLost) throw new Error("lost");
      near.copy(x, out);
    },
    sealBlocks(...given) {
      near.sealBlocks(...given);
      isLost = true;
    },
  };
  const device = new Proxy(near, {
    get: (of, key) => own[key as keyof Device] ?? Reflect.get(of, key),
  });
  using small = await smallModel(device, SEED);
  using reader = small.reader();
  await rejects(reader.feed(randomText(6, 20)), /lost/);
  // A promise that nobody waited for would end the test here.
  await new Promise((resolve) => setTimeout(resolve));
});
