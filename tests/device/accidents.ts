/** The engine's GPU, with less than it has, and with accidents. */

/** What differs from the engine's GPU. */
export interface Accidents {
  readonly info?: Partial<Record<keyof GPUAdapterInfo | "isFallbackAdapter", unknown>>;
  readonly limits?: Partial<Record<keyof GPUSupportedLimits, number>>;
  /** There is no memory for a buffer of so many bytes. */
  readonly lacksMemory?: (bytes: number) => boolean;
  /** Called with every device that is opened. */
  readonly onDevice?: (device: GPUDevice) => void;
}

/** A WebGPU whose one adapter is the given one, changed. */
export function accidentGpu(adapter: GPUAdapter, accidents: Accidents): GPU {
  const { info, limits = {}, lacksMemory, onDevice } = accidents;
  const like = {
    info: info
      ? { description: "", vendor: "", architecture: "", device: "", ...info }
      : adapter.info,
    features: adapter.features,
    limits: new Proxy(adapter.limits, {
      get: (target, name) =>
        limits[name as keyof GPUSupportedLimits] ?? target[name as keyof GPUSupportedLimits],
    }),
    async requestDevice(options: GPUDeviceDescriptor): Promise<GPUDevice> {
      const device = await adapter.requestDevice(options);
      onDevice?.(device);
      return lacksMemory ? shortOfMemory(device, lacksMemory) : device;
    },
  };
  return { requestAdapter: () => Promise.resolve(like) } as unknown as GPU;
}

/** A device that has no memory for some buffers, and tells it as the standard wants it. */
function shortOfMemory(device: GPUDevice, lacks: (bytes: number) => boolean): GPUDevice {
  const scopes: { error: GPUError | null }[] = [];
  const own: Partial<GPUDevice> = {
    createBuffer(descriptor) {
      if (!lacks(descriptor.size)) return device.createBuffer(descriptor);
      const scope = scopes.at(-1);
      if (scope) scope.error ??= new GPUOutOfMemoryError("no room was left");
      // A buffer that is not valid, which is what there is instead.
      device.pushErrorScope("validation");
      const invalid = device.createBuffer({ ...descriptor, size: 2 ** 50 });
      device.popErrorScope();
      return invalid;
    },
    pushErrorScope: () => void scopes.push({ error: null }),
    popErrorScope: () => Promise.resolve(scopes.pop()!.error),
  };
  return new Proxy(device, {
    get(target, name) {
      const value = own[name as keyof GPUDevice] ?? target[name as keyof GPUDevice];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
