/** Buffers that results are read through: those of usual sizes are used again. */
export interface StagingBuffers {
  /** At least so many bytes, unmapped. */
  take(bytes: number): GPUBuffer;
  /** It was read, and is mapped still. */
  give(buffer: GPUBuffer): void;
}

const LEAST_BYTES = 256;
/** Bytes of those that wait, all together. */
const KEPT_BYTES = 2 ** 24;

/** None yet; the device takes them with it when it goes. */
export function stagingBuffers(
  create: (descriptor: GPUBufferDescriptor) => GPUBuffer,
): StagingBuffers {
  const kept = new Map<number, GPUBuffer[]>();
  let bytes = 0;
  return {
    take(wanted) {
      const size = Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(wanted)));
      const found = size <= KEPT_BYTES ? kept.get(size)?.pop() : undefined;
      if (found) {
        bytes -= size;
        return found;
      }
      return create({
        label: "read",
        size: size <= KEPT_BYTES ? size : wanted,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
    },
    give(buffer) {
      const { size } = buffer;
      if (bytes + size > KEPT_BYTES) return buffer.destroy();
      buffer.unmap();
      bytes += size;
      const list = kept.get(size);
      if (list) list.push(buffer);
      else kept.set(size, [buffer]);
    },
  };
}
