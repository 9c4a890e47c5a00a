import type { Tensor, WindowGradients, WindowOptions } from "../device.ts";
import { type WindowCall, windowCall, windowCallBackward } from "../window.ts";
import { type Host, launch } from "./host.ts";
import { addresses, type Job, jobRecord } from "./job_record.ts";
import { FEW_QUERIES, PRODUCTS_PER_ELEMENT } from "./landmark_job.ts";

/** Fields of the record `WindowJob` in asm/window_job.ts, in its order; four bytes each. */
const FIELDS = [
  "batch",
  "queries",
  "keys",
  "heads",
  "kvHeads",
  "dim",
  "scale",
  "window",
  "absent",
  "reach",
  "q",
  "k",
  "v",
  "out",
  "sums",
  "distances",
  "contentBias",
  "positionBias",
  "dOut",
  "dQ",
  "dK",
  "dV",
  "dDistances",
  "dContentBias",
  "dPositionBias",
  "lists",
  "packed",
  "packedBytes",
  "distanceBytes",
  "work",
  "workBytes",
  "shareSums",
  "shareBytes",
  "shares",
] as const;

type WindowJob = Job<typeof FIELDS[number]>;

/** Causal attention over a window; asm/window_attention.ts. */
export function windowAttention(
  host: Host,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  out: Tensor,
  sums: Tensor,
  options: WindowOptions = {},
): void {
  const call = windowCall("windowAttention", { q, k, v, out, sums }, options);
  const { contentBias, positionBias, distances } = call.relative ?? {};
  const job = {
    ...jobOf(call),
    ...addresses(host, { q, k, v, out, sums, distances, contentBias, positionBias }),
  };
  const work = workOf(call);
  if (call.shape.T <= FEW_QUERIES) {
    runJob(
      host,
      call,
      job,
      { packs: false },
      (at) => launch(host, work, "windowAttentionRows", at),
    );
  } else {
    runJob(host, call, job, { packs: true }, (at) => {
      launch(host, work, "packWindow", at);
      launch(host, work, "windowAttention", at);
    });
  }
}

/** Adds the gradients of {@linkcode windowAttention}; asm/window_attention_backward.ts. */
export function windowAttentionBackward(
  host: Host,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  out: Tensor,
  sums: Tensor,
  dOut: Tensor,
  gradients: WindowGradients,
  options: WindowOptions = {},
): void {
  const call = windowCallBackward({ q, k, v, out, sums }, dOut, gradients, options);
  const { contentBias, positionBias, distances } = call.relative ?? {};
  const given = { q, k, v, out, sums, distances, contentBias, positionBias, dOut };
  const into = {
    ...{ dQ: gradients.q, dK: gradients.k, dV: gradients.v },
    dDistances: call.gradients?.distances,
    dContentBias: call.gradients?.contentBias,
    dPositionBias: call.gradients?.positionBias,
  };
  const { B, T, H } = call.shape;
  // It follows from the shape alone, as sums taken in another order have other bits.
  const shares = Math.max(1, Math.min(Math.ceil(8 / (B * H)), Math.ceil(T / 192)));
  const job = { ...jobOf(call), ...addresses(host, { ...given, ...into }), shares };
  const work = 2 * workOf(call);
  runJob(host, call, job, { packs: true }, (at) => {
    launch(host, work, "packWindow", at);
    launch(host, work, "windowAttentionBackward", at);
    launch(host, work, "addWindowGradients", at);
  });
}

function jobOf({ shape, window, absent, scale, relative }: WindowCall): WindowJob {
  const { B, T, S, H, G, D } = shape;
  const reach = relative ? Math.min(relative.count, window) : 0;
  return {
    ...{ batch: B, queries: T, keys: S, heads: H, kvHeads: G, dim: D },
    ...{ scale, window, absent, reach },
  };
}

/** In elements touched. */
function workOf({ shape: { B, T, S, H, D }, window, relative }: WindowCall): number {
  const products = relative ? 3 : 2;
  return B * T * Math.min(S, window) * H * D * products / 2 / PRODUCTS_PER_ELEMENT;
}

/** The numbers of the rows to pack: keys from the first one that is seen, and distances. */
function rowsToPack(
  { shape: { T, S }, window, absent }: WindowCall,
  { reach = 0 }: WindowJob,
): Int32Array {
  const first = Math.max(absent, S - T + 1 - window, 0) & ~7;
  return Int32Array.from({ length: S - first + reach }, (_, i) => {
    const key = first + i;
    if (key >= S) return reach - 1 - (key - S);
    return key < absent ? -1 : key;
  });
}

/**
 * Writes the record, finds it room in the work area, and lets `body` run kernels on it.
 *
 * @param packs Whether keys, values and distances are packed.
 */
function runJob(
  host: Host,
  call: WindowCall,
  job: WindowJob,
  { packs }: { packs: boolean },
  body: (address: number) => void,
): void {
  const rows = packs ? rowsToPack(call, job) : new Int32Array(0);
  const layout = { fields: FIELDS, reals: ["scale"] as const, moreBytes: rows.byteLength };
  using record = jobRecord(host, layout);
  record.write(job);
  host.call("windowRoom", record.address);
  const sizes = {
    packedBytes: record.bytes("packedBytes"),
    distanceBytes: record.bytes("distanceBytes"),
    workBytes: record.bytes("workBytes"),
    shareBytes: record.bytes("shareBytes"),
  };
  const { batch = 1, heads = 1, kvHeads = 1, shares = 0 } = job;
  const packed = packs ? batch * kvHeads * sizes.packedBytes + heads * sizes.distanceBytes : 0;
  const work = host.threads * sizes.workBytes;
  const at = host.scratch(packed + work + batch * heads * shares * sizes.shareBytes);
  const places = { packed: at, work: at + packed, shareSums: at + packed + work };
  const lists = record.address + FIELDS.length * 4;
  record.write({ ...job, ...sizes, ...places, lists });
  host.i32(lists, rows.length).set(rows);
  body(record.address);
}
