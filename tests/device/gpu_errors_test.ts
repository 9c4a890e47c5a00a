/** What happens when a GPU goes away, is full, or is small. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { DeviceError } from "../../src/device/device_error.ts";
import { requestAdapter } from "../../src/device/gpu/adapter.ts";
import { openDevice } from "../../src/device/open.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { ReadError } from "../../src/session/read_error.ts";
import { assertClose, EXACT } from "../close.ts";
import { checkGolden, goldenFiles, readGolden } from "../golden/golden.ts";
import { openSmall, TEXT } from "../session/small_cairn.ts";
import { accidentGpu, type Accidents } from "./accidents.ts";

const ignore = await requestAdapter({}) === undefined;
const IDS = [...new TextEncoder().encode(TEXT)];

/** The engine's GPU with accidents; an adapter opens one device only. */
async function openWith(accidents: Accidents) {
  const adapter = await requestAdapter({});
  return await openDevice({ device: "gpu", gpu: accidentGpu(adapter!, accidents) });
}

const caught = (work: Promise<unknown>): Promise<unknown> =>
  work.then(() => undefined, (error) => error);

Deno.test(
  "a read on a lost GPU says how far it came, and goes on elsewhere",
  { ignore },
  async () => {
    const disk = memoryFiles();
    let gpu: GPUDevice | undefined;
    using lost = await openWith({ onDevice: (device) => gpu = device });
    using cairn = await openSmall(lost, { disk });
    using session = cairn.session();
    await session.readIds(IDS.slice(0, 60));
    await session.save("before.cairn");
    /** The rest of the text, and half way the accident, which is seen before the text goes on. */
    async function* rest(): AsyncGenerator<Uint8Array> {
      yield Uint8Array.from(IDS.slice(60, 95));
      gpu!.destroy();
      await gpu!.lost;
      yield Uint8Array.from(IDS.slice(95));
    }
    const error = await caught(session.read(rest()));
    ok(error instanceof ReadError, `${error}`);
    equal(error.tokensRead, 30);
    ok(error.cause instanceof DeviceError);
    const { message } = error.cause;
    ok(
      message.startsWith(`Cannot go on as the device ${lost.info.name} was lost (destroyed): `),
      message,
    );
    ok(message.endsWith("open it again, and restore sessions from their last snapshots"), message);
    for (const work of [session.readIds([97]), session.logits([97]), session.save("after.cairn")]) {
      const late = await caught(work);
      equal((late instanceof ReadError ? late.cause as Error : late as Error).message, message);
    }

    using again = await openWith({});
    using elsewhere = await openSmall(again, { disk });
    using restored = await elsewhere.restore("before.cairn");
    using whole = elsewhere.session();
    await whole.readIds(IDS.slice(0, 60));
    const right = await whole.logits(IDS.slice(60));
    assertClose(await restored.logits(IDS.slice(60)), right, EXACT);
  },
);

Deno.test(
  "a GPU that is lost while the host goes on counts what it was given",
  { ignore },
  async () => {
    let gpu: GPUDevice | undefined;
    using lost = await openWith({ onDevice: (device) => gpu = device });
    using cairn = await openSmall(lost);
    using session = cairn.session();
    let given = 0;
    const onProgress = ({ tokens }: { tokens: number }) => {
      given = tokens;
      if (tokens >= 30) gpu!.destroy();
    };
    const error = await caught(session.readIds(IDS, { onProgress }));
    ok(error instanceof ReadError && error.cause instanceof DeviceError, `${error}`);
    equal(error.tokensRead, given);
  },
);

Deno.test("a GPU that is lost while a tensor is read says so", { ignore }, async () => {
  let gpu: GPUDevice | undefined;
  using device = await openWith({ onDevice: (device) => gpu = device });
  const tensor = device.tensor([4]);
  const reading = caught(device.read(tensor));
  await undefined;
  gpu!.destroy();
  await reading;
  // What was on its way may still arrive; what is asked for later does not.
  const lost = { name: "DeviceError", message: /was lost \(destroyed\)/ };
  await rejects(device.read(tensor), lost);
  throws(() => device.tensor([1]), lost);
  tensor[Symbol.dispose]();
});

Deno.test("a GPU without memory says how much was wanted and held", { ignore }, async () => {
  const large = 2 ** 20;
  using device = await openWith({ lacksMemory: (bytes) => bytes >= large });
  using small = device.tensor([large / 8], { data: new Float32Array(large / 8).fill(1) });
  equal((await device.read(small)).length, large / 8);
  using tensor = device.tensor([large / 4]);
  const full = {
    name: "DeviceError",
    message: `Cannot go on as ${device.info.name} has no memory for a buffer of ${large} bytes ` +
      `beside the ${large / 2} it holds (no room was left). It takes no further work: open it ` +
      "again, with less to hold, and restore sessions from their last snapshots",
  };
  await rejects(device.read(tensor), full);
  throws(() => device.fill(small, 0), full);
  await rejects(device.read(small), full);
});

Deno.test(
  "a pool of blocks that the GPU has no memory for stops the read",
  { ignore },
  async () => {
    let pools = 0;
    using device = await openWith({ lacksMemory: (bytes) => bytes > 2 ** 22 && ++pools > 0 });
    using cairn = await openSmall(device);
    using session = cairn.session({ budget: { device: 2 ** 23 } });
    const error = await caught(session.readIds(IDS));
    equal(pools, 1);
    ok(error instanceof ReadError, `${error}`);
    ok(error.cause instanceof DeviceError);
    ok(/no memory for a buffer of \d+ bytes/.test(error.message), error.message);
  },
);

Deno.test("what is past every limit is refused at once, and does no harm", { ignore }, async () => {
  using device = await openWith({});
  const bytes = device.info.tensorBytes;
  for (const shape of [[bytes / 4 + 1], [2 ** 10, bytes / 2 ** 11], [2 ** 30, 2 ** 30, 2 ** 30]]) {
    throws(() => device.tensor(shape), {
      name: "RangeError",
      message:
        `Cannot make a tensor as its axes must be integers and its bytes at most ${bytes}, ` +
        `what the adapter binds at once: current value is f32 [${shape.join(", ")}]`,
    });
  }
  const pieces = 4 * bytes / 4096;
  throws(() => device.blockPool(pieces + 1, { blockSize: 16, headDim: 32 }), {
    name: "RangeError",
    message:
      `Cannot make a pool as its capacity must be at most ${pieces} pieces, what 4 tensors ` +
      `of ${bytes} bytes hold: current value is ${pieces + 1}`,
  });
  using tensor = device.tensor([2], { data: [1, 2] });
  deepEqual([...await device.read(tensor)], [1, 2]);
  equal(device.bytes, 256);
});

/** What a GPU of few means has, and every one that can be opened. */
const LEAST = {
  maxStorageBuffersPerShaderStage: 9,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
};

Deno.test(
  "a GPU with the least limits reads as others do; gradients need more",
  { ignore },
  async () => {
    using device = await openWith({ limits: LEAST });
    using cairn = await openSmall(device);
    using session = cairn.session({ storage: "f32" });
    using reference = await openDevice({ device: "reference" });
    using other = await openSmall(reference);
    using right = other.session({ storage: "f32" });
    assertClose(await session.logits(IDS), await right.logits(IDS), { atol: 1e-4, rtol: 1e-4 });
    const [path] = goldenFiles(new URL("../golden", import.meta.url).pathname);
    await rejects(checkGolden(device, await readGolden(path)), {
      name: "DeviceError",
      message:
        "Cannot run landmarkAttentionBackward as the adapter's maxComputeWorkgroupStorageSize " +
        "must be at least 31744: current value is 16384",
    });
  },
);
