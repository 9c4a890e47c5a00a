import type { InfiniGradients, InfiniOptions, Tensor } from "../device.ts";
import { checkInfini, checkSegments, type InfiniShape } from "../infini.ts";
import { type Host, launch } from "./host.ts";
import { type InfiniCall, productsOf, runInfini } from "./infini_job.ts";
import { addresses } from "./job_record.ts";

/** Segments are written, then read; asm/infini_attention.ts. */
export function infiniAttention(
  host: Host,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  local: Tensor,
  gate: Tensor,
  segments: Tensor,
  initial: Tensor,
  before: Tensor,
  out: Tensor,
  memories: Tensor,
  options: InfiniOptions,
): void {
  const operation = "infiniAttention";
  const tensors = { q, k, v, local, gate, segments, initial, before, out, memories };
  const call = checkInfini(operation, tensors, options);
  const job = addresses(host, tensors);
  const data = segmentsAt(host, operation, job.segments, call.shape);
  clearPadding(host, job.out, data, call.shape);
  runInfini(host, call, job, (at) => {
    launch(host, writeWork(call), "infiniAttentionWrite", at);
    launch(host, productsOf(call, call.shape.H), "infiniAttentionRead", at);
  });
}

/** Adds the gradients of {@linkcode infiniAttention}; asm/infini_attention_backward.ts. */
export function infiniAttentionBackward(
  host: Host,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  local: Tensor,
  gate: Tensor,
  segments: Tensor,
  initial: Tensor,
  before: Tensor,
  memories: Tensor,
  dOut: Tensor,
  dAfter: Tensor,
  gradients: InfiniGradients,
  options: InfiniOptions,
): void {
  const operation = "infiniAttentionBackward";
  const tensors = {
    ...{ q, k, v, local, gate, segments, initial, before, memories, dOut, dAfter },
    ...{ dQ: gradients.q, dK: gradients.k, dV: gradients.v, dLocal: gradients.local },
    ...{ dGate: gradients.gate, dInitial: gradients.initial, dBefore: gradients.before },
  };
  const call = checkInfini(operation, tensors, options);
  const { B, T, S, H, G, D } = call.shape;
  const job = addresses(host, tensors);
  segmentsAt(host, operation, job.segments, call.shape);
  using fronts = room(host, (B * S * G + 1) * D * (D + 1) * 4);
  const zeros = fronts.address + B * S * G * D * (D + 1) * 4;
  host.f32(zeros, D * (D + 1)).fill(0);
  runInfini(host, call, { ...job, dFronts: fronts.address, zeros }, (at) => {
    launch(host, productsOf(call, H + (call.delta ? 2 * G : 0)), "infiniBackMemories", at);
    launch(host, productsOf(call, 2 * H + (call.delta ? 4 * G : 0)), "infiniBackRows", at);
    host.call("infiniBackNormalizers", 0, 1, at);
    const restWork = call.delta ? B * T * G * D : productsOf(call, 2 * G);
    launch(host, restWork, "infiniBackRest", at);
  });
}

/** Reads a memory as it is: one segment; asm/infini_attention.ts. */
export function infiniRead(
  host: Host,
  q: Tensor,
  local: Tensor,
  gate: Tensor,
  memory: Tensor,
  out: Tensor,
  options: InfiniOptions,
): void {
  const call = checkInfini("infiniRead", { q, local, gate, memory, out }, options);
  const job = { ...addresses(host, { q, local, gate, out }), before: host.address(memory) };
  using segments = oneSegment(host, call.shape);
  runInfini(host, call, { ...job, segments: segments.address }, (at) => {
    launch(host, productsOf(call, call.shape.H), "infiniAttentionRead", at);
  });
}

/** Adds one segment, by itself, to a compensated sum; asm/infini_write.ts. */
export function infiniWrite(
  host: Host,
  k: Tensor,
  v: Tensor,
  memory: Tensor,
  remainder: Tensor,
  options: InfiniOptions,
): void {
  const call = checkInfini("infiniWrite", { k, v, memory, remainder }, options);
  const { G, D } = call.shape;
  const count = G * D * (D + 1);
  using segments = oneSegment(host, call.shape);
  using added = room(host, count * 4);
  const job = {
    ...addresses(host, { k, v }),
    ...{ before: host.address(memory), memories: added.address, segments: segments.address },
    alone: 1,
  };
  runInfini(host, call, job, (at) => {
    launch(host, writeWork(call), "infiniAttentionWrite", at);
    const places = [added.address, job.before, host.address(remainder)];
    launch(host, count, "infiniWrite", ...places, count);
  });
}

function writeWork(call: InfiniCall): number {
  return productsOf(call, (call.delta ? 2 : 1) * call.shape.G);
}

/** The segments' numbers. @throws {RangeError} If they are not those of T tokens. */
function segmentsAt(
  host: Host,
  operation: string,
  address: number,
  shape: InfiniShape,
): Int32Array {
  const data = host.i32(address, shape.B * shape.S * 3);
  checkSegments(operation, data, shape);
  return data;
}

/** out [B, T, H, D] = 0 where no segment is. */
function clearPadding(
  host: Host,
  out: number,
  segments: Int32Array,
  { B, T, S, H, D }: InfiniShape,
): void {
  const clear = (from: number, to: number): void => {
    if (from < to) host.f32(out + from * H * D * 4, (to - from) * H * D).fill(0);
  };
  for (let b = 0; b < B; b++) {
    let done = 0;
    for (let s = b * S; s < (b + 1) * S; s++) {
      const [first, end] = segments.subarray(s * 3);
      if (first === end) continue;
      clear(b * T + done, b * T + first);
      done = end;
    }
    clear(b * T + done, (b + 1) * T);
  }
}

/** All tokens as one segment, after what is `before`. */
function oneSegment(host: Host, { T }: InfiniShape): Disposable & { address: number } {
  const segments = room(host, 12);
  host.i32(segments.address, 3).set([0, T, 0]);
  return segments;
}

/** Memory for as long as a call. */
function room(host: Host, bytes: number): Disposable & { address: number } {
  const address = host.alloc(bytes);
  return { address, [Symbol.dispose]: () => host.free(address) };
}
