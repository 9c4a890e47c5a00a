/** Parameters lie side by side in a few tensors, and learn as they would each in one of its own. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { standInGpu } from "../../bench/gpu/stand_in.ts";
import type { Device, Tensor } from "../../src/device/device.ts";
import { openGpuDevice } from "../../src/device/gpu/gpu_device.ts";
import { layOut } from "../../src/train/flats.ts";
import { createOptimizer } from "../../src/train/optimizer.ts";
import { assertClose, EXACT } from "../close.ts";
import { reference, testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { SMALL_CONFIG, smallRecipe, smallTrainer } from "./small_run.ts";

/** f32: what the order of a sum changes of the norm, and so of every weight. */
const NEAR = { atol: 1e-6, rtol: 1e-5 };

const RECIPE = {
  ...{ rate: 1e-2, gateRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1 },
  clip: 0.5,
};

const plain = { decays: false, isGate: false };
const decaying = { decays: true, isGate: false };
const PARAMETERS = new Map(Object.entries({
  embedding: { shape: [9, 5], ...plain },
  matrix: { shape: [13, 11], ...decaying },
  gate: { shape: [3], decays: false, isGate: true },
  norm: { shape: [64], ...plain },
  other: { shape: [8, 16], ...decaying },
  bias: { shape: [1], ...plain },
  last: { shape: [130, 70], ...decaying },
}));
const names = [...PARAMETERS.keys()];

/** The device, which says that it holds `tensorBytes` in a tensor; `made` gets what it makes. */
function limited(device: Device, tensorBytes: number, made: Tensor[] = []): Device {
  const tensor: Device["tensor"] = (...args) => {
    const one = device.tensor(...args);
    made.push(one);
    return one;
  };
  const info = { ...device.info, tensorBytes };
  return Object.create(device, { info: { value: info }, tensor: { value: tensor } });
}

Deno.test("layOut() puts what is alike side by side, from multiples of 64 numbers on", () => {
  const flats = (tensorBytes: number) =>
    layOut(
      limited(reference, tensorBytes),
      PARAMETERS,
      (a, b) => a.decays === b.decays && a.isGate === b.isGate,
    )
      .map(({ size, parts }) => [size, ...Array.from(parts, ([name, { at }]) => `${name} ${at}`)]);
  deepEqual(flats(2 ** 27), [
    [192, "embedding 0", "norm 64", "bias 128"],
    [9472, "matrix 0", "other 192", "last 320"],
    [64, "gate 0"],
  ]);
  // What alone is too large is still one tensor, which the device refuses.
  deepEqual(flats(4 * 320), [
    [192, "embedding 0", "norm 64", "bias 128"],
    [320, "matrix 0", "other 192"],
    [64, "gate 0"],
    [9152, "last 0"],
  ]);
  equal(flats(256).length, names.length);
});

testOnEach("update() changes each parameter as if it were alone, and no gap", async (device) => {
  const random = randomFrom(5);
  const draw = () => new Map(names.map((name) => [name, random.normal(sizeOf(name))]));
  const [start, slopes] = [draw(), [draw(), draw()]];
  const made: Tensor[] = [];
  const wide = limited(device, 2 ** 27, made);
  using optimizer = createOptimizer(wide, PARAMETERS, RECIPE);
  using alone = oneByOne(device, start);
  for (const [name, weight] of optimizer.weights) device.write(weight, start.get(name)!);
  for (const [i, gradients] of slopes.entries()) {
    optimizer.clear();
    for (const [name, weight] of optimizer.weights) {
      device.write(optimizer.gradients.get(weight)!, gradients.get(name)!);
    }
    optimizer.update({ step: i + 1, rate: RECIPE.rate, scale: 0.5 });
    const norm = alone.update(gradients, i + 1, 0.5);
    assertClose([await optimizer.norm()], [norm], NEAR, "norm");
  }
  for (const name of names) {
    const { mean, variance } = optimizer.moments.get(name)!;
    const tensors = [optimizer.weights.get(name)!, mean, variance];
    for (const [i, tensor] of tensors.entries()) {
      deepEqual(tensor.shape, PARAMETERS.get(name)!.shape);
      const expected = await device.read(alone.tensors.get(name)![i]);
      assertClose(await device.read(tensor), expected, NEAR, `${name} ${i}`);
    }
  }
  const flats = layOut(wide, PARAMETERS, (a, b) => a.decays === b.decays && a.isGate === b.isGate);
  const wholes = made.slice(0, 4 * flats.length);
  for (const [i, whole] of wholes.entries()) {
    const { size, parts } = flats[i % flats.length];
    const numbers = await device.read(whole);
    equal(numbers.length, size);
    for (const [name, { at }] of parts) numbers.fill(0, at, at + sizeOf(name));
    assertClose(numbers, new Float32Array(size), EXACT, `between parameters, flat ${i}`);
  }
  optimizer.clear();
  for (const gradient of optimizer.gradients.values()) {
    ok((await device.read(gradient)).every((x: number) => x === 0));
  }
});

function sizeOf(name: string): number {
  return PARAMETERS.get(name)!.shape.reduce((a, b) => a * b);
}

/** The same parameters, each with tensors of its own: [weight, mean, variance]. */
function oneByOne(device: Device, start: ReadonlyMap<string, Float64Array>) {
  const stack = new DisposableStack();
  const zeros = (shape: readonly number[]) => stack.use(device.tensor(shape));
  const tensors = new Map<string, Tensor[]>();
  for (const [name, { shape }] of PARAMETERS) {
    const own = [zeros(shape), zeros(shape), zeros(shape)];
    device.write(own[0], start.get(name)!);
    tensors.set(name, own);
  }
  return {
    tensors,
    /** Gives the norm. */
    update(gradients: ReadonlyMap<string, Float64Array>, step: number, scale: number): number {
      let squares = 0;
      for (const numbers of gradients.values()) for (const x of numbers) squares += x * x;
      using norm = device.tensor([1], { data: [squares] });
      for (const [name, { shape, decays, isGate }] of PARAMETERS) {
        const [weight, mean, variance] = tensors.get(name)!;
        using gradient = device.tensor(shape, { data: gradients.get(name)! });
        device.adamW(weight, gradient, mean, variance, norm, {
          ...{ ...RECIPE, step, scale },
          rate: isGate ? RECIPE.gateRate : RECIPE.rate,
          decay: decays ? RECIPE.decay : 0,
        });
      }
      return scale * Math.sqrt(squares);
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
}

const { landmark, ...OTHER } = SMALL_CONFIG;
/** Only landmarks have negatives. */
const PLAIN = { negatives: undefined, mixture: { text: 1 } };
/** Models with all kinds of parameters. */
const RECIPES = {
  landmark: smallRecipe({ model: { ...OTHER, landmark } }),
  infini: smallRecipe({
    model: { ...OTHER, infini: { segment: 16, learned_start: true } },
    ...PLAIN,
  }),
  xl: smallRecipe({ model: { ...OTHER, xl: { window: 16 } }, ...PLAIN }),
};

for (const [name, recipe] of Object.entries(RECIPES)) {
  testOnEach(`advance() does not depend on how much a tensor holds, ${name}`, async (device) => {
    const train = async (tensorBytes: number) => {
      const made: Tensor[] = [];
      using trainer = smallTrainer(limited(device, tensorBytes, made), recipe);
      const flats = made.length;
      for (let i = 0; i < 3; i++) await trainer.advance();
      return { flats, tensors: (await trainer.state()).tensors };
    };
    const whole = await train(2 ** 27);
    // Each parameter alone; some together.
    for (const tensorBytes of [256, 4096]) {
      const cut = await train(tensorBytes);
      ok(cut.flats > 2 * whole.flats, `${cut.flats} tensors, ${whole.flats} without a limit`);
      for (const [name, { data }] of whole.tensors) {
        assertClose(cut.tensors.get(name)!.data, data, NEAR, name);
      }
    }
  });
}

for (const [name, recipe] of Object.entries(RECIPES)) {
  Deno.test(`advance() gives a kernel no buffer to write that it has twice, ${name}`, async () => {
    const { gpu, groups } = await boundBy();
    using device = await openGpuDevice({ gpu });
    using trainer = smallTrainer(device, recipe);
    await trainer.advance();
    ok(groups.length > 100, `${groups.length} bind groups`);
    // WebGPU refuses such a run, or leaves open what comes of it.
    for (const { label, buffers, written } of groups) {
      for (const buffer of written) {
        const count = buffers.filter((other) => other === buffer).length;
        equal(count, 1, `${label} writes a buffer it is given ${count} times`);
      }
    }
  });
}

/** A GPU that does nothing, and what each kernel was given. */
async function boundBy() {
  interface Group {
    readonly label: string;
    readonly buffers: readonly unknown[];
    readonly written: readonly unknown[];
  }
  const { gpu } = standInGpu();
  const groups: Group[] = [];
  const layouts = new Map<unknown, GPUBindGroupLayoutDescriptor>();
  const device = await (await gpu.requestAdapter())!.requestDevice();
  device.createBindGroupLayout = (descriptor) => {
    const layout = {} as GPUBindGroupLayout;
    layouts.set(layout, descriptor);
    return layout;
  };
  device.createBindGroup = ({ layout, entries }) => {
    const { label = "", entries: types } = layouts.get(layout)!;
    const buffers = Array.from(entries, ({ resource }) => (resource as GPUBufferBinding).buffer);
    const writes = Array.from(types, ({ buffer }) => buffer?.type === "storage");
    groups.push({ label, buffers, written: buffers.filter((_, i) => writes[i]) });
    return {} as GPUBindGroup;
  };
  return { gpu, groups };
}
