/** A tensor begins as zeros, also where a device puts off writing them: in memory used before. */
import { deepEqual } from "node:assert/strict";
import type { DType, Tensor } from "../../src/device/device.ts";
import { EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";
import type { Stage } from "../stage.ts";

const [T, D, F] = [6, 8, 12];
const NEAR = { atol: 1e-5, rtol: 1e-5 };

/** Zeros in memory that held sevens. */
function zeros(
  { device, use }: Pick<Stage, "device" | "use">,
  shape: readonly number[],
  dtype: DType = "f32",
): Tensor {
  {
    using used = device.tensor(shape, { dtype });
    device.fill(used, 7);
  }
  return use(device.tensor(shape, { dtype }));
}

/** Zeros that were sevens a moment ago. */
function zeroed({ device, use }: Stage, shape: readonly number[]): Tensor {
  const tensor = use(device.tensor(shape));
  device.fill(tensor, 7);
  device.fill(tensor, 0);
  return tensor;
}

const KINDS = { "a new tensor": zeros, "a tensor filled with zeros": zeroed };

/** What is done with zeros [T, D]. */
const USES: Record<string, (stage: Stage, x: Tensor) => void> = {
  "are what is read": () => {},
  "are around what is written to a part": ({ device }, x) => device.write(x, [1, 2, 3], D + 1),
  "are around what is written to a view": ({ device }, x) =>
    device.write(device.view(x, 2, 1), new Array(D).fill(2)),
  "are around what a view is filled with": ({ device }, x) => device.fill(device.view(x, 1, 2), 3),
  "are around what is copied to a view": ({ device, input }, x) =>
    device.copy(input([2, D]), device.view(x, 3, 2)),
  "are around what a kernel writes": ({ device, input }, x) =>
    device.add(input([2, D]), input([2, D]), device.view(x, 1, 2)),
  "are around what is added to a view": ({ device, input }, x) => {
    const part = device.view(x, 4, 2);
    device.add(part, input([2, D]), part);
  },
  "are around a product added to a view": ({ device, input }, x) =>
    device.matmul(input([2, F]), input([F, D]), device.view(x, 4, 2), { accumulate: true }),
  "are read by a kernel": ({ device, input }, x) => {
    const one = input([T, D]);
    device.add(one, x, one);
    device.add(one, x, x);
  },
  "are added to, twice": ({ device, input }, x) => {
    device.add(x, input([T, D]), x);
    device.add(input([T, D]), x, x);
  },
  "are added to themselves": ({ device }, x) => device.add(x, x, x),
  "are turned, under another shape": ({ device, input, indices }, x) => {
    const positions = indices([T], [0, 1, 2, 3, 4, 5]);
    const heads = device.reshape(x, [T, 2, D / 2]);
    const [from, rotations] = [input([T, 2, D / 2]), input([T, D / 4, 2])];
    for (let i = 0; i < 2; i++) {
      device.rope(from, positions, rotations, heads, { inverse: true, accumulate: true });
    }
  },
};
// As a gradient: of the input, of the weight, and of a few rows, which is another kernel.
const PRODUCTS = {
  "dY·W": { a: [T, F], b: [F, D] },
  "dYᵀ·X": { a: [F, T], b: [F, D], transposeA: true },
  "X·Wᵀ": { a: [T, F], b: [D, F], transposeB: true },
};
for (const [name, { a, b, ...transposed }] of Object.entries(PRODUCTS)) {
  USES[`are added to by products ${name}`] = ({ device, input }, x) => {
    for (let i = 0; i < 2; i++) {
      device.matmul(input(a), input(b), x, { ...transposed, accumulate: true });
    }
  };
}

for (const [kind, make] of Object.entries(KINDS)) {
  for (const [name, use] of Object.entries(USES)) {
    testLikeReference(`zeros of ${kind} ${name}`, (stage) => {
      const x = make(stage, [T, D]);
      use(stage, x);
      stage.device.copy(x, stage.output("x", [T, D]));
    }, NEAR);
  }
}

for (const dtype of ["f32", "f16", "i32"] as const) {
  testOnEach(`a new tensor of ${dtype}, of odd length or none, reads as zeros`, async (device) => {
    for (const length of [9, 0]) {
      using stack = new DisposableStack();
      const use = <T extends Disposable>(x: T): T => stack.use(x);
      const read = await device.read(zeros({ device, use }, [length], dtype));
      deepEqual(Array.from(read), new Array(length).fill(0));
    }
  });
}

/** Gradients of gate and up, by where they lie. */
const PAIRS: Record<string, (stage: Stage) => [Tensor, Tensor]> = {
  "zeros": (stage) => [zeros(stage, [T, D]), zeros(stage, [T, D])],
  "zeros and others": (stage) => [zeros(stage, [T, D]), stage.input([T, D])],
  "others and zeros": (stage) => [stage.input([T, D]), zeros(stage, [T, D])],
};
for (const [name, make] of Object.entries(PAIRS)) {
  testLikeReference(`swiGluBackward() adds to ${name}, twice`, (stage) => {
    const { device, input, output } = stage;
    const [dGate, dUp] = make(stage);
    for (let i = 0; i < 2; i++) {
      device.swiGluBackward(input([T, D]), input([T, D]), input([T, D]), dGate, dUp);
    }
    device.copy(dGate, output("dGate", [T, D]));
    device.copy(dUp, output("dUp", [T, D]));
  }, NEAR);
}

testLikeReference("swiGluBackward() adds to zeros that it also reads", (stage) => {
  const { device, input, output } = stage;
  const [gate, dGate, dUp] = [input([T, D]), zeros(stage, [T, D]), zeros(stage, [T, D])];
  device.swiGluBackward(gate, dUp, input([T, D]), dGate, dUp); // up is zero: so is dGate
  device.copy(dGate, output("dGate", [T, D]));
}, EXACT);

for (const dtype of ["f16", "i32"] as const) {
  testLikeReference(`zeros of ${dtype} are around what is written to a part`, (stage) => {
    const x = zeros(stage, [T, D], dtype);
    const data = dtype === "f16" ? Uint16Array.of(1, 2, 3) : Int32Array.of(1, 2, 3);
    stage.device.write(x, data, 5);
    stage.device.copy(x, stage.output("x", [T, D], dtype));
  }, EXACT);
}

testLikeReference("a view is filled with zeros, and zeros are copied over", (stage) => {
  const { device, input, output } = stage;
  const x = output("x", [T, D]);
  device.fill(device.view(x, 1, 2), 0); // a part: the rest is noise
  const y = zeroed(stage, [T, D]);
  device.copy(input([T, D]), y);
  device.add(x, y, x);
}, NEAR);
