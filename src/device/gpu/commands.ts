/**
 * The order of work: kernels and copies gather in one encoder, and go to the GPU in batches, so that
 * it begins while the host is still busy with what follows.
 */

import { DeviceError } from "../device_error.ts";
import { behind, type Branch, branch } from "./branches.ts";
import type { PooledBuffer } from "./buffers.ts";
import type { GpuTensor } from "./gpu_tensor.ts";
import type { Param } from "./host.ts";
import type { Pipeline } from "./kernel.ts";
import type { Profiler } from "./profiler.ts";
import { stagingBuffers } from "./staging.ts";
import type { Watch } from "./watch.ts";

/** Bytes of a kernel's parameters, and the step between them that every device can bind at. */
export const PARAM_BYTES = 256;
/** Kernels in a batch. */
const BATCH = 96;
/** Bind groups that a pipeline keeps: a step of a model uses the same buffers again and again. */
const KEPT_GROUPS = 4096;

/** Work for the GPU, done in order. */
export interface Commands {
  /** The number of the batch that is being filled. */
  readonly batch: number;
  /** Runs a kernel; its parameters are where each tensor begins in its buffer, and then `params`. */
  dispatch(
    name: string,
    pipeline: Pipeline,
    tensors: readonly GpuTensor[],
    params: readonly Param[],
    groups: readonly [number, number?, number?],
  ): void;
  copy(from: PooledBuffer, fromAt: number, to: PooledBuffer, toAt: number, bytes: number): void;
  clear(buffer: PooledBuffer, bytes: number): void;
  write(buffer: PooledBuffer, at: number, data: Uint8Array): void;
  /** A copy of bytes, once all work before it is done. */
  read(buffer: PooledBuffer, at: number, bytes: number): Promise<ArrayBuffer>;
  /** Sends what was gathered. */
  flush(): void;
}

/** Commands for a device's queue. */
export function createCommands(
  device: GPUDevice,
  { check, buffer: createBuffer }: Watch,
  profiler: Profiler | undefined,
): Commands {
  const ring = createBuffer({
    label: "params",
    size: BATCH * PARAM_BYTES,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  const words = new Uint32Array(BATCH * PARAM_BYTES / 4);
  const floats = new Float32Array(words.buffer);
  const kept = new WeakMap<Pipeline, { count: number; root: Branch<number, GPUBindGroup> }>();
  const staging = stagingBuffers(createBuffer);
  let encoder: GPUCommandEncoder | undefined;
  let pass: GPUComputePassEncoder | undefined;
  /** The pass's. */
  let set: Pipeline | undefined;
  let [batch, used] = [0, 0];

  function begin(): GPUCommandEncoder {
    return encoder ??= device.createCommandEncoder();
  }
  function endPass(): void {
    pass?.end();
    pass = set = undefined;
  }
  function flush(): void {
    if (!encoder) return;
    endPass();
    profiler?.resolve(encoder);
    if (used > 0) device.queue.writeBuffer(ring, 0, words, 0, used * PARAM_BYTES / 4);
    device.queue.submit([encoder.finish()]);
    profiler?.submitted();
    encoder = undefined;
    used = 0;
    batch++;
  }
  function bind(pipeline: Pipeline, tensors: readonly GpuTensor[]): GPUBindGroup {
    let groups = kept.get(pipeline);
    if (!groups || groups.count >= KEPT_GROUPS) {
      kept.set(pipeline, groups = { count: 0, root: branch() });
    }
    let at = groups.root;
    for (const { storage: { buffer: { id } } } of tensors) at = behind(at, id);
    if (at.value) return at.value;
    groups.count++;
    return at.value = device.createBindGroup({
      layout: pipeline.layout,
      entries: [
        { binding: 0, resource: { buffer: ring, size: PARAM_BYTES } },
        ...tensors.map(({ storage: { buffer: { buffer } } }, i) => ({
          binding: i + 1,
          resource: { buffer },
        })),
      ],
    });
  }
  /** Puts the parameters of the next run where it finds them. */
  function writeParams(tensors: readonly GpuTensor[], params: readonly Param[]): void {
    let at = used * PARAM_BYTES / 4;
    for (const tensor of tensors) words[at++] = tensor.at;
    for (const param of params) {
      if (typeof param === "number") words[at++] = param;
      else floats[at++] = param.f32;
    }
  }

  return {
    get batch() {
      return batch;
    },
    dispatch(name, pipeline, tensors, params, [x, y = 1, z = 1]) {
      check();
      const count = tensors.length + params.length;
      if (count * 4 > PARAM_BYTES) {
        throw new RangeError(`Cannot run ${name} with ${count} parameters`);
      }
      if (x === 0 || y === 0 || z === 0) return;
      if (used === BATCH) flush();
      writeParams(tensors, params);
      const group = bind(pipeline, tensors);
      if (profiler) {
        endPass();
        pass = begin().beginComputePass({ timestampWrites: profiler.next(name) });
      } else {
        pass ??= begin().beginComputePass();
      }
      if (set !== pipeline) pass.setPipeline((set = pipeline).pipeline);
      pass.setBindGroup(0, group, [used * PARAM_BYTES]);
      pass.dispatchWorkgroups(x, y, z);
      for (const { storage: { buffer } } of tensors) buffer.lastUse = batch;
      used++;
    },
    copy(from, fromAt, to, toAt, bytes) {
      check();
      endPass();
      begin().copyBufferToBuffer(from.buffer, fromAt, to.buffer, toAt, bytes);
      from.lastUse = to.lastUse = batch;
    },
    clear(buffer, bytes) {
      endPass();
      begin().clearBuffer(buffer.buffer, 0, bytes);
      buffer.lastUse = batch;
    },
    write(buffer, at, data) {
      check();
      // Writes come before all commands that were not sent yet.
      if (buffer.lastUse === batch) flush();
      device.queue.writeBuffer(buffer.buffer, at, data as Uint8Array<ArrayBuffer>);
      buffer.fresh = false;
    },
    async read(from, at, bytes) {
      check();
      const size = Math.ceil(bytes / 4) * 4;
      const to = staging.take(size);
      endPass();
      begin().copyBufferToBuffer(from.buffer, at, to, 0, size);
      from.lastUse = batch;
      try {
        // Reads that are asked for together go in one batch.
        await undefined;
        check();
        flush();
        await to.mapAsync(GPUMapMode.READ, 0, to.size);
        check();
        const copy = to.getMappedRange(0, size).slice(0, bytes);
        staging.give(to);
        return copy;
      } catch (cause) {
        to.destroy();
        // What is behind it is told beside it.
        await new Promise((resolve) => setTimeout(resolve));
        check();
        throw new DeviceError(`Cannot read from the GPU: ${cause}`, { cause });
      }
    },
    flush,
  };
}
