/**
 * A WGSL kernel: its source, and how it is made ready for one set of constants.
 *
 * Conventions of wgsl/: the entry point has the file's name; binding 0 of group 0 is
 * `var<uniform> params: Params`, the tensors follow from binding 1 on, each an array over its whole
 * buffer. `Params` begins with one u32 for each tensor, in the order of the bindings: the element
 * its first number lies at. Constants that shape the code (`D`, tile widths) are not declared in
 * the file: the host puts `const D = 64u;` in front of it, so that the compiler can unroll loops,
 * size private arrays and drop bounds checks.
 */

import { behind, type Branch, branch } from "./branches.ts";

/** A kernel as its file has it. */
export interface Kernel {
  /** The entry point. */
  readonly name: string;
  /** WGSL; what several kernels share is put in front, as text of its own. */
  readonly source: string;
}

/** Values of a kernel's constants: an integer is a u32, a text is put in as it stands. */
export type Constants = Readonly<Record<string, number | string>>;

/** A kernel made ready. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Of each tensor: whether the kernel writes it. */
  readonly writes: readonly boolean[];
}

/** The tensors a kernel binds, by whether it writes them: read off its source. */
export function bindingsOf({ name, source }: Kernel): boolean[] {
  const found: boolean[] = [];
  const pattern = /@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>/g;
  for (const [, number, access] of source.matchAll(pattern)) {
    found[Number(number) - 1] = access === "read_write";
  }
  if (found.length === 0 || Array.from(found).includes(undefined as unknown as boolean)) {
    throw new TypeError(`Cannot use kernel ${name} as its bindings must be 1, 2, … without a gap`);
  }
  return found;
}

/** The text the compiler gets. */
function specialise({ source }: Kernel, constants: Constants): string {
  const lines = Object.entries(constants)
    .filter(([name]) => name !== "enable")
    .map(([name, value]) =>
      typeof value === "number" ? `const ${name} = ${value}u;` : `${name} ${value};`
    );
  const enable = constants.enable === undefined ? [] : [`enable ${constants.enable};`];
  return [...enable, ...lines, source].join("\n");
}

/** Makes kernels ready once for each set of constants. */
export function pipelineCache(
  device: GPUDevice,
  paramBytes: number,
): (kernel: Kernel, constants: Constants) => Pipeline {
  const cache = new Map<Kernel, Branch<string | number, Pipeline>>();
  return (kernel, constants) => {
    let at = cache.get(kernel);
    if (!at) cache.set(kernel, at = branch());
    for (const name in constants) at = behind(behind(at, name), constants[name]);
    return at.value ??= compile(device, kernel, constants, paramBytes);
  };
}

function compile(
  device: GPUDevice,
  kernel: Kernel,
  constants: Constants,
  paramBytes: number,
): Pipeline {
  const writes = bindingsOf(kernel);
  const layout = device.createBindGroupLayout({
    label: kernel.name,
    entries: [
      {
        binding: 0,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: paramBytes },
      },
      ...writes.map((write, i): GPUBindGroupLayoutEntry => ({
        binding: i + 1,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: write ? "storage" : "read-only-storage" },
      })),
    ],
  });
  const pipeline = device.createComputePipeline({
    label: kernel.name,
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: {
      module: device.createShaderModule({
        label: kernel.name,
        code: specialise(kernel, constants),
      }),
      entryPoint: kernel.name,
    },
  });
  return { pipeline, layout, writes };
}
