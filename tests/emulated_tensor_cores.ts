/**
 * A GPU host that plays tensor cores: it rewrites kernels for Dawn's subgroup matrices into WGSL that
 * every adapter with f16 takes, so that their text is run, if slowly, where no tensor cores are.
 *
 * 32 invocations side by side are a subgroup. A left or right matrix is a place in memory, which is
 * read when it is multiplied, so a kernel must not overwrite it before; of a sum, each invocation has
 * eight numbers of a row. Arrays that matrices come from lie in storage, so that they may be larger
 * than this adapter's workgroup memory.
 */

import type { GpuHost, Launch } from "../src/device/gpu/host.ts";
import type { Kernel } from "../src/device/gpu/kernel.ts";
import { bindingsOf } from "../src/device/gpu/kernel.ts";

/** What an H100 has. */
const WORKGROUP_BYTES = 49152;

/** A kernel's text for the emulation, and the arrays that must be bound beside its tensors. */
interface Emulated {
  readonly kernel: Kernel;
  readonly arrays: readonly ("f16" | "f32")[];
}

/** The host, with tensor cores. */
export function emulateTensorCores<Host extends GpuHost>(host: Host): Host {
  const emulated = new Map<Kernel, Emulated>();
  return Object.create(host, {
    features: {
      value: {
        ...host.features,
        subgroupMatrix: true,
        // Other kernels go on with what there really is.
        subgroups: { enable: "", min: 4, ...host.features.subgroups, max: 32 },
      },
    },
    limits: { value: { ...host.limits, workgroupBytes: WORKGROUP_BYTES } },
    run: {
      value(kernel: Kernel, launch: Launch): void {
        if (!kernel.source.includes("subgroup_matrix_")) return host.run(kernel, launch);
        let found = emulated.get(kernel);
        if (!found) emulated.set(kernel, found = emulate(kernel));
        const [x, y = 1, z = 1] = launch.groups;
        using stack = new DisposableStack();
        const arrays = found.arrays.map((dtype) =>
          // As much as a workgroup can have, for each of them.
          stack.use(host.tensor([x * y * z, WORKGROUP_BYTES / (dtype === "f16" ? 2 : 4)], {
            dtype,
            zero: false,
          }))
        );
        host.run(found.kernel, {
          ...launch,
          tensors: [...launch.tensors, ...arrays],
          constants: { ...launch.constants, enable: "f16" },
        });
      },
    },
  });
}

function emulate(kernel: Kernel): Emulated {
  const bound = bindingsOf(kernel).length;
  const names = new Set(Array.from(kernel.source.matchAll(/&(\w+),/g), ([, name]) => name));
  const arrays: ("f16" | "f32")[] = [];
  let source = kernel.source.replaceAll(
    /var<workgroup> (\w+): array<(f16|f32), (.+)>;/g,
    (line, name, type, size) => {
      if (!names.has(name)) return line;
      arrays.push(type);
      return `const ${name}_size = ${size};\nvar<private> ${name}_at: u32;\n` +
        `@group(0) @binding(${bound + arrays.length}) ` +
        `var<storage, read_write> ${name}: array<${type}>;`;
    },
  );
  const moved = Array.from(source.matchAll(/var<private> (\w+)_at: u32;/g), ([, name]) => name);
  for (const name of moved) source = source.replaceAll(`${name}[`, `${name}[${name}_at + `);
  source = withParams(source, bound, moved);
  source = withEntry(source, moved);
  source = source
    .replaceAll(/subgroup_matrix_(left|right)<f16, 16, 16>/g, "Operand")
    .replaceAll("subgroup_matrix_result<f32, 16, 16>", "Square")
    .replaceAll(
      /subgroupMatrix(Load<(\w+), |Store<)(row|col)_major>\(&(\w+),/g,
      (_, verb, type = "", major, name) => `${verb.slice(0, 4)}_${type}_${major}_${name}(`,
    )
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "multiply_add(")
    .replaceAll("subgroupMatrixScalarMultiply(", "scaled_square(")
    .replaceAll("subgroupShuffleXor(", "shuffle_xor(")
    // Deno's compiler has no bitcast to halves.
    .replaceAll("bitcast<vec2h>(", "halves_of(")
    .replaceAll("workgroupBarrier();", "workgroupBarrier(); storageBarrier();");
  const helpers = [...names].map((name, i) => accesses(name, i, moved.includes(name), source));
  const operands = [...names].filter((name) =>
    new RegExp(`Load_(Left|Right)_\\w+_${name}\\b`).test(source)
  );
  const text = [source, COMMON, readerOf([...names], operands), ...helpers].join("\n");
  return { kernel: { name: kernel.name, source: text }, arrays };
}

/** Offsets of the arrays, behind those of the tensors; they are zero. */
function withParams(source: string, bound: number, moved: readonly string[]): string {
  const lines = /struct Params \{\n((?: {2}\w+: u32,.*\n)+)/;
  return source.replace(lines, (_, fields: string) => {
    const all = fields.split("\n");
    all.splice(bound, 0, ...moved.map((name) => `  ${name}_offset: u32,`));
    return `struct Params {\n${all.join("\n")}`;
  });
}

/** The entry point finds its subgroup by itself. */
function withEntry(source: string, moved: readonly string[]): string {
  return source.replace(/@compute[^{]+\) \{\n/, (entry) => {
    const named = (builtin: string) => entry.match(new RegExp(`\\(${builtin}\\) (\\w+)`))?.[1];
    const group = named("workgroup_id")!;
    const groups = named("num_workgroups") ?? "emulated_groups";
    const id = named("local_invocation_index")!;
    const more = named("num_workgroups")
      ? ""
      : `  @builtin(num_workgroups) emulated_groups: vec3u,\n`;
    return entry
      .replace(/ {2}@builtin\(subgroup_id\) subgroup: u32,\n/, more)
      .replace(/ {2}@builtin\(subgroup_invocation_id\) own: u32,\n/, "") +
      `  let subgroup = ${id} / 32;\n  let own = ${id} % 32;\n  invocation = ${id};\n` +
      `  depth = select(16u, 0u, ${groups}.x == 0);\n` +
      moved.map((name) =>
        `  ${name}_at = (${group}.x + ${groups}.x * (${group}.y + ${groups}.y * ${group}.z)) * ` +
        `${name}_size;\n`
      ).join("");
  });
}

/** Loads and stores of an array that the text has. */
function accesses(name: string, which: number, moved: boolean, source: string): string {
  const from = moved ? `${name}_at + at` : "at";
  const made: string[] = [];
  const has = (call: string) => source.includes(`${call}_${name}(`);
  for (const type of ["Left", "Right"]) {
    for (const major of ["row", "col"]) {
      if (!has(`Load_${type}_${major}`)) continue;
      const steps = major === "row" ? "stride, 1" : "1, stride";
      made.push(`fn Load_${type}_${major}_${name}(at: u32, stride: u32) -> Operand {
  return Operand(${which}, ${from}, ${steps});
}`);
    }
  }
  if (has("Load_Sum_row")) {
    const eight = Array.from({ length: 8 }, (_, i) => `${name}[place + ${i}]`);
    made.push(`fn Load_Sum_row_${name}(at: u32, stride: u32) -> Square {
  let place = ${from} + invocation % 32 / 2 * stride + invocation % 2 * 8;
  return Square(vec4f(${eight.slice(0, 4)}), vec4f(${eight.slice(4)}));
}`);
  }
  for (const major of ["row", "col"]) {
    if (!has(`Stor__${major}`)) continue;
    const [row, column] = major === "row" ? ["stride", "1"] : ["1", "stride"];
    const lines = Array.from(
      { length: 8 },
      (_, i) => `  ${name}[place + ${i} * ${column}] = square.${i < 4 ? "lo" : "hi"}[${i % 4}];`,
    );
    made.push(`fn Stor__${major}_${name}(at: u32, square: Square, stride: u32) {
  let place = ${from} + invocation % 32 / 2 * ${row} + invocation % 2 * 8 * ${column};
${lines.join("\n")}
}`);
  }
  return made.join("\n");
}

function readerOf(names: readonly string[], operands: readonly string[]): string {
  const cases = operands.map((name) =>
    `  if (which == ${names.indexOf(name)}) { return f32(${name}[at]); }`
  );
  return `fn read_operand(which: u32, at: u32) -> f32 {\n${cases.join("\n")}\n  return 0.0;\n}`;
}

const COMMON = `
struct Operand { which: u32, at: u32, row: u32, column: u32 }
struct Square { lo: vec4f, hi: vec4f }
var<private> invocation: u32;
// 16, which the compiler must not know: it would write the loop out.
var<private> depth: u32;
var<workgroup> shuffled: array<f32, 256>;

fn four_of(right: Operand, k: u32, column: u32) -> vec4f {
  let at = right.at + k * right.row + column * right.column;
  return vec4f(
    read_operand(right.which, at),
    read_operand(right.which, at + right.column),
    read_operand(right.which, at + 2 * right.column),
    read_operand(right.which, at + 3 * right.column),
  );
}

fn multiply_add(left: Operand, right: Operand, sum: Square) -> Square {
  let row = invocation % 32 / 2;
  let column = invocation % 2 * 8;
  var total = sum;
  for (var k = 0u; k < depth; k++) {
    let x = vec4f(read_operand(left.which, left.at + row * left.row + k * left.column));
    total.lo = fma(x, four_of(right, k, column), total.lo);
    total.hi = fma(x, four_of(right, k, column + 4), total.hi);
  }
  return total;
}

fn scaled_square(square: Square, factor: f32) -> Square {
  return Square(factor * square.lo, factor * square.hi);
}

fn halves_of(word: u32) -> vec2<f16> {
  return vec2<f16>(unpack2x16float(word));
}

fn shuffle_xor(x: f32, mask: u32) -> f32 {
  workgroupBarrier();
  shuffled[invocation] = x;
  workgroupBarrier();
  return shuffled[invocation ^ mask];
}
`;
