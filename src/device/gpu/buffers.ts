/**
 * Buffers that are used again. Making one takes longer than most kernels run, and a step of a model
 * makes hundreds; work is done in the order it was enqueued, so that a buffer may be handed on as
 * soon as its last use is enqueued.
 *
 * Of those that fit the oldest is taken: a step that does what the last one did gets the same ones
 * for the same, in whatever order they were given back, and so finds its bind groups again.
 */

/** A buffer of the pool. */
export interface PooledBuffer {
  /** Never given twice; they count up. */
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
  /** By size, the oldest last. */
  const kept = new Map<number, PooledBuffer[]>();
  let [nextId, bytes, keptBytes, peak] = [0, 0, 0, 0];

  function find(size: number, idle = Infinity): PooledBuffer | undefined {
    const list = kept.get(size) ?? [];
    const at = list.findLastIndex(({ lastUse }) => lastUse < idle);
    return at < 0 ? undefined : list.splice(at, 1)[0];
  }

  function keep(buffer: PooledBuffer): void {
    let list = kept.get(buffer.bytes);
    if (!list) kept.set(buffer.bytes, list = []);
    list.splice(list.findLastIndex(({ id }) => id > buffer.id) + 1, 0, buffer);
  }

  function trim(): void {
    const allowed = Math.max(KEEP_BYTES, SLACK * peak - bytes);
    for (const [size, list] of kept) {
      if (keptBytes <= allowed) return;
      const left = list.filter((buffer) => {
        if (keptBytes <= allowed || buffer.lastUse >= batch()) return true;
        keptBytes -= size;
        buffer.buffer.destroy();
        return false;
      });
      kept.set(size, left);
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
      keep(buffer);
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
