/** Mixed precision makes a tensor's halves once, and never uses them when its numbers are others. */
import { deepEqual, equal } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { gpuDeviceOn } from "../../src/device/gpu/gpu_device.ts";
import { createGpuHost } from "../../src/device/gpu/gpu_host.ts";
import type { Launch } from "../../src/device/gpu/host.ts";
import type { Kernel } from "../../src/device/gpu/kernel.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { assertClose } from "../close.ts";
import { emulateTensorCores } from "../emulated_tensor_cores.ts";
import { regular } from "../plans.ts";
import { type Scene, type Stage, stage } from "../stage.ts";

const adapter = await requestAdapter({});
const ignore = adapter === undefined || !adapter.features.has("shader-f16");
const reference = referenceDevice();
/** Shapes of tensors that halves were made of since the count began. */
const made: string[] = [];
const mixed: Device | undefined = ignore ? undefined : await open();
globalThis.addEventListener("unload", () => mixed?.[Symbol.dispose]());

async function open(): Promise<Device> {
  const opened = await openAdapter(adapter!);
  const host = createGpuHost(opened, false);
  const run = host.run;
  const counting = Object.create(host, {
    run: {
      value(kernel: Kernel, launch: Launch): void {
        if (kernel.name === "to_halves") made.push(launch.tensors[0].shape.join("×"));
        run(kernel, launch);
      },
    },
  });
  return gpuDeviceOn(emulateTensorCores(counting), opened, "mixed");
}

/** Fails where mixed precision is off by more than halves are, and where it leaves bytes behind. */
async function compare(scene: Scene, part: number): Promise<void> {
  const expected = await stage(reference, scene);
  const before = mixed!.bytes;
  made.length = 0;
  const actual = await stage(mixed!, scene);
  for (const [name, numbers] of expected) {
    const size = Math.max(...Array.from(numbers, Math.abs));
    assertClose(actual.get(name)!, numbers, { atol: part * size, rtol: 0 }, name);
  }
  equal(mixed!.bytes, before, "bytes were not freed");
}

const [T, IN, OUT] = [136, 160, 200];

Deno.test({
  name: "a tensor is made halves once, for products on either side and under another shape",
  ignore,
  async fn() {
    await compare(({ device, input, output }) => {
      const [a, b] = [input([T, IN]), input([OUT, IN])];
      const flat = device.reshape(device.reshape(a, [2, T / 2, IN]), [T, IN]);
      device.matmul(a, b, output("a·bᵀ", [T, OUT]), { transposeB: true });
      device.matmul(b, flat, output("b·aᵀ", [OUT, T]), { transposeB: true });
      device.matmul(flat, a, output("a·aᵀ", [T, T]), { transposeB: true });
    }, 1e-3);
    deepEqual(made, [`${T}×${IN}`, `${OUT}×${IN}`]);
  },
});

/** Every way to write a [T, IN], whose numbers are then another's. */
const WRITES: Record<string, (stage: Stage, a: Tensor) => void> = {
  "write()": ({ device, random }, a) => device.write(a, random.normal(T * IN)),
  "write() to a part": ({ device, random }, a) => device.write(a, random.normal(IN), 3 * IN),
  "write() to a view": ({ device, random }, a) =>
    device.write(device.view(a, T - 1, 1), random.normal(IN, 30)),
  "fill()": ({ device }, a) => device.fill(a, 0.25),
  "fill() with zeros": ({ device }, a) => device.fill(a, 0),
  "copy()": ({ device, input }, a) => device.copy(input([T, IN]), a),
  "a kernel": ({ device, input }, a) => device.add(a, input([T, IN]), a),
  "a kernel on a reshaped view": ({ device, input }, a) => {
    const rows = device.reshape(device.view(a, 8, 2), [2 * IN]);
    device.swiGlu(input([2 * IN]), input([2 * IN]), rows);
  },
  "a product": ({ device, input }, a) => device.matmul(input([T, 16]), input([16, IN]), a),
  "an optimizer's step": ({ device, input }, a) => {
    const [gradient, mean, variance] = [input(a.shape), input(a.shape), input(a.shape)];
    device.fill(mean, 0);
    device.fill(variance, 0);
    const decays = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1, scale: 1, clip: Infinity };
    device.adamW(a, gradient, mean, variance, input([1], [1]), { rate: 0.5, step: 1, ...decays });
  },
};

for (const [name, write] of Object.entries(WRITES)) {
  Deno.test({
    name: `a product sees what ${name} has written since the product before`,
    ignore,
    fn: () =>
      compare((stage) => {
        const { device, input, output } = stage;
        const [a, b] = [input([T, IN]), input([OUT, IN])];
        device.matmul(a, b, output("before", [T, OUT]), { transposeB: true });
        write(stage, a);
        device.matmul(a, b, output("after", [T, OUT]), { transposeB: true });
      }, 1e-3),
  });
}

Deno.test({
  name: "products of views on one tensor, and of a tensor in a buffer that is used again",
  ignore,
  async fn() {
    await compare(({ device, random, input, output }) => {
      const [both, b] = [input([2 * T, IN]), input([OUT, IN])];
      for (const at of [0, T, 8]) {
        const part = device.view(both, at, T);
        device.matmul(part, b, output(`from ${at}`, [T, OUT]), { transposeB: true });
      }
      for (const i of [1, 2]) {
        using a = device.tensor([T, IN], { data: Float64Array.from(random.normal(T * IN)) });
        device.matmul(a, b, output(`again ${i}`, [T, OUT]), { transposeB: true });
      }
    }, 1e-3);
    equal(made.length, 1 + 3 + 2);
  },
});

Deno.test({
  name: "views on one tensor keep halves of their own until it is written, not until another is",
  ignore,
  async fn() {
    await compare((stage) => {
      const { device, input, output } = stage;
      const [flat, other] = [input([(T + OUT) * IN + 64]), input([OUT * IN])];
      const part = (at: number, rows: number): Tensor =>
        device.reshape(device.view(flat, at, rows * IN), [rows, IN]);
      const [a, b] = [part(0, T), part(T * IN + 64, OUT)];
      const product = (name: string): void =>
        device.matmul(a, b, output(name, [T, OUT]), { transposeB: true });
      product("first");
      device.fill(other, 2);
      product("another tensor was written");
      WRITES["an optimizer's step"](stage, device.view(flat, 0, T * IN));
      product("one of them was written");
    }, 1e-3);
    deepEqual(made, [`${T}×${IN}`, `${OUT}×${IN}`, `${T}×${IN}`, `${OUT}×${IN}`]);
  },
});

Deno.test({
  name: "a product, and gradients of attention, that overwrite what they were made from",
  ignore,
  async fn() {
    const [B, S, H, D] = [1, 128, 2, 32];
    await compare(({ device, input, output, use }) => {
      // The reference does not work in place.
      const before = (x: Tensor): Tensor => {
        if (device !== reference) return x;
        const kept = use(device.tensor(x.shape));
        device.copy(x, kept);
        return kept;
      };
      const a = output("product in place", [T, IN]);
      device.matmul(before(a), input([IN, IN]), a, { transposeB: true });
      const shape = [B, S, H, D];
      const gradients = {
        q: output("q and its gradient", shape),
        k: output("dK", shape),
        v: output("dV", shape),
      };
      const q = before(gradients.q);
      const [k, v, dOut] = [input(shape), input(shape), input(shape)];
      const blocks = use(device.blocks(regular(S, 16), B, S));
      const [out, top] = [input(shape), input([B, S, H])];
      device.landmarkAttention(q, k, v, blocks, out, top);
      device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients);
    }, 5e-3);
    equal(made.filter((shape) => shape === `${B}×${S}×${H}×${D}`).length, 4);
  },
});

Deno.test({
  name: "halves go with the tensor that they were made of, or when it is written",
  ignore,
  fn() {
    const device = mixed!;
    const before = device.bytes;
    {
      using a = device.tensor([T, IN]);
      using b = device.tensor([OUT, IN]);
      using out = device.tensor([T, OUT]);
      const tensors = device.bytes;
      for (let i = 0; i < 3; i++) {
        device.matmul(a, b, out, { transposeB: true });
        const halves = device.bytes - tensors;
        const least = 2 * (T + OUT) * IN;
        equal(halves >= least && halves <= 1.25 * least + 4 * 256, true, `${halves} bytes`);
      }
      device.fill(a, 1);
      device.fill(b, 1);
      equal(device.bytes, tensors);
      device.matmul(a, b, out, { transposeB: true });
    }
    equal(device.bytes, before);
  },
});
