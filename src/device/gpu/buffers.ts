/**
 * Buffers that are used again. Making one takes longer than most kernels run, and a step of a model
 * makes hundreds; work is done in the order it was enqueued, so that a buffer may be handed on as
 * soon as its last use is enqueued.
 */

/** A buffer of the pool. */
export interface PooledBuffer {
  /** Never given twice. */
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** The batch of commands that used it last. */
  lastUse: number;
  /** Whether all its bytes are zero: it was never written. */
  fresh: boolean;
}

/** Buffers for tensors. */
export interface BufferPool extends Disposable {
  /** Bytes of the buffers in use. */
  readonly bytes: number;
  /** The same, and of those kept for later. */
  readonly total: number;
  /** At least so many bytes; `idle` asks for one that no command of batch `batch` uses. */
  take(bytes: number, options?: { idle: number }): PooledBuffer;
  give(buffer: PooledBuffer): void;
}

/** Buffers kept for later are let go where all together would pass the most ever in use by this. */
const SLACK = 1.25;
const KEEP_BYTES = 2 ** 26;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST

/**
 * An empty pool; no buffer is larger than `most` bytes.
 *
 * @param create Makes a buffer.
 * @param batch The batch of commands that was not sent yet: what it uses must not be let go.
 */
export function bufferPool(
  create: (descriptor: GPUBufferDescriptor) => GPUBuffer,
  most: number,
  batch: () => number,
): BufferPool {
  const kept = new Map<number, PooledBuffer[]>();
  let [nextId, bytes, keptBytes, peak] = [0, 0, 0, 0];

  function find(size: number, idle: number | undefined): PooledBuffer | undefined {
    const list = kept.get(size);
    if (!list || list.length === 0) return undefined;
    // The one given last is the likeliest to be in a cache, and the likeliest to be in use.
    if (idle === undefined) return list.pop();
    return list[0].lastUse < idle ? list.shift() : undefined;
  }

  function trim(): void {
    const allowed = Math.max(KEEP_BYTES, SLACK * peak - bytes);
    if (keptBytes <= allowed) return;
    for (const list of kept.values()) {
      while (keptBytes > allowed && list.length > 0 && list[0].lastUse < batch()) {
        const old = list.shift()!;
        keptBytes -= old.bytes;
        old.buffer.destroy();
      }
      if (keptBytes <= allowed) return;
    }
  }

  return {
    get bytes() {
      return bytes;
    },
    get total() {
      return bytes + keptBytes;
    },
    take(wanted, options) {
      const size = Math.min(sizeClass(wanted), most);
      const found = find(size, options?.idle);
      const taken = found ?? {
        id: nextId++,
        buffer: create({ size, usage: USAGE }),
        bytes: size,
        lastUse: -1,
        fresh: true,
      };
      if (found) keptBytes -= size;
      bytes += size;
      peak = Math.max(peak, bytes);
      return taken;
    },
    give(buffer) {
      bytes -= buffer.bytes;
      keptBytes += buffer.bytes;
      buffer.fresh = false;
      const list = kept.get(buffer.bytes);
      if (list) list.push(buffer);
      else kept.set(buffer.bytes, [buffer]);
      trim();
    },
    [Symbol.dispose]() {
      for (const list of kept.values()) for (const { buffer } of list) buffer.destroy();
      kept.clear();
    },
  };
}

/** Four sizes to each doubling, so that at most a quarter is wasted. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - 2);
  return Math.ceil(bytes / Math.max(step, 16)) * Math.max(step, 16);
}
