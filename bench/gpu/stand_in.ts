/**
 * A GPU that takes every call and does nothing: what a program does on it is what the host does, but
 * for the calls themselves, which it counts.
 */

/** The stand-in, and its calls by name. */
export interface StandIn {
  readonly gpu: GPU;
  readonly calls: Map<string, number>;
}

const LIMITS = {
  maxBufferSize: 2 ** 32,
  maxStorageBufferBindingSize: 2 ** 31 - 4,
  maxStorageBuffersPerShaderStage: 10,
  maxComputeWorkgroupStorageSize: 49_152,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupsPerDimension: 65_535,
};

/** Nothing was called yet. Buffers read as zeros. */
export function standInGpu(): StandIn {
  const calls = new Map<string, number>();
  /** A function of that name, which counts and returns what `make` does. */
  const counted = <Args extends unknown[], Result>(
    name: string,
    make: (...args: Args) => Result,
  ) =>
  (...args: Args): Result => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    return make(...args);
  };
  const nothing = (...names: string[]) =>
    Object.fromEntries(names.map((name) => [name, counted(name, () => ({}))]));
  const pass = nothing("setPipeline", "setBindGroup", "dispatchWorkgroups", "end");
  const encoder = {
    ...nothing("copyBufferToBuffer", "clearBuffer", "finish"),
    beginComputePass: counted("beginComputePass", () => pass),
  };
  const device = {
    ...nothing("createBindGroup", "createBindGroupLayout", "createPipelineLayout"),
    ...nothing("createShaderModule", "createComputePipeline", "pushErrorScope"),
    limits: LIMITS,
    features: new Set<string>(),
    lost: new Promise(() => {}),
    addEventListener() {},
    destroy() {},
    popErrorScope: counted("popErrorScope", () => Promise.resolve(null)),
    createCommandEncoder: counted("createCommandEncoder", () => encoder),
    createBuffer: counted("createBuffer", ({ size }: GPUBufferDescriptor) => ({
      ...nothing("destroy", "unmap"),
      size,
      mapAsync: counted("mapAsync", () => Promise.resolve()),
      getMappedRange: (_at = 0, bytes = size) => new ArrayBuffer(bytes),
    })),
    queue: {
      ...nothing("writeBuffer", "submit"),
      onSubmittedWorkDone: counted("onSubmittedWorkDone", () => Promise.resolve()),
    },
  };
  const adapter = {
    limits: LIMITS,
    features: device.features,
    info: { description: "a stand-in" },
    requestDevice: () => Promise.resolve(device),
  };
  const gpu = { requestAdapter: () => Promise.resolve(adapter) };
  return { gpu: gpu as unknown as GPU, calls };
}
