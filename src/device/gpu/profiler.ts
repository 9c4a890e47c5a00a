/** GPU time by kernel, from timestamps around each run. */

/** What a kernel took. */
export interface KernelTime {
  count: number;
  ms: number;
}

/** Collects timestamps, batch by batch. */
export interface Profiler {
  /** Where the next run of a kernel writes its times. */
  next(name: string): GPUComputePassTimestampWrites;
  /** Ends a batch: its times are copied out behind its work. */
  resolve(encoder: GPUCommandEncoder): void;
  /** The batch was sent. */
  submitted(): void;
  /** The times since the last call, by kernel. */
  take(): Promise<Map<string, KernelTime>>;
}

/** Runs of a batch, at most. */
const RUNS = 96;

/** A profiler for a device that has `timestamp-query`. */
export function createProfiler(device: GPUDevice): Profiler {
  let names: string[] = [];
  let set: GPUQuerySet | undefined;
  let ready: GPUBuffer | undefined;
  const reads: Promise<void>[] = [];
  let times = new Map<string, KernelTime>();

  function add(runs: readonly string[], stamps: BigUint64Array): void {
    runs.forEach((name, i) => {
      const time = times.get(name) ?? { count: 0, ms: 0 };
      time.count++;
      time.ms += Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6;
      times.set(name, time);
    });
  }

  return {
    next(name) {
      set ??= device.createQuerySet({ type: "timestamp", count: 2 * RUNS });
      const i = 2 * (names.push(name) - 1);
      return { querySet: set, beginningOfPassWriteIndex: i, endOfPassWriteIndex: i + 1 };
    },
    resolve(encoder) {
      if (!set || names.length === 0) return;
      const size = names.length * 16;
      const resolved = device.createBuffer({
        size,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      });
      ready = device.createBuffer({
        size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      encoder.resolveQuerySet(set, 0, names.length * 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, ready, 0, size);
    },
    submitted() {
      if (!ready) return;
      const [runs, buffer] = [names, ready];
      [names, ready, set] = [[], undefined, undefined];
      reads.push(
        buffer.mapAsync(GPUMapMode.READ).then(() => {
          add(runs, new BigUint64Array(buffer.getMappedRange().slice(0)));
          buffer.destroy();
        }),
      );
    },
    async take() {
      await Promise.all(reads.splice(0));
      const taken = times;
      times = new Map();
      return taken;
    },
  };
}
