import type { InfiniShape } from "../infini.ts";
import type { Host } from "./host.ts";
import { type Job, jobRecord } from "./job_record.ts";

/** Fields of the record `InfiniJob` in asm/infini_job.ts, in its order; four bytes each. */
const FIELDS = [
  "batch",
  "tokens",
  "segmentCount",
  "heads",
  "kvHeads",
  "dim",
  "delta",
  "epsilon",
  "q",
  "k",
  "v",
  "local",
  "gate",
  "segments",
  "initial",
  "before",
  "out",
  "memories",
  "alone",
  "blocks",
  "work",
  "workBytes",
  "dOut",
  "dAfter",
  "dQ",
  "dK",
  "dV",
  "dLocal",
  "dGate",
  "dInitial",
  "dBefore",
  "dFronts",
  "zeros",
  "sums",
  "sumsBytes",
] as const;

/** One call of Infini-attention. */
export type InfiniJob = Job<typeof FIELDS[number]>;

/** What a call is: its shape and its options, as `checkInfini` gives them. */
export interface InfiniCall {
  readonly shape: InfiniShape;
  readonly delta: boolean;
  readonly epsilon: number;
}

/** Multiplications that take as long as touching one element does elsewhere. */
const PRODUCTS_PER_ELEMENT = 16;

/** Work, in elements touched, of some products of every token with its memory. */
export function productsOf({ shape: { B, T, D } }: InfiniCall, heads: number): number {
  return B * T * heads * D * D / PRODUCTS_PER_ELEMENT;
}

/** Writes the record, finds it room in the work area, and lets `body` run kernels on it. */
export function runInfini(
  host: Host,
  { shape: { B, T, S, H, G, D }, delta, epsilon }: InfiniCall,
  job: InfiniJob,
  body: (address: number) => void,
): void {
  using record = jobRecord(host, { fields: FIELDS, reals: ["epsilon"] });
  const whole = {
    ...{ batch: B, tokens: T, segmentCount: S, heads: H, kvHeads: G, dim: D },
    delta: Number(delta),
    epsilon,
    blocks: blocksOf(B * G, Math.ceil(D / 8), host.threads),
    ...job,
  };
  record.write(whole);
  host.call("infiniRoom", record.address);
  const [workBytes, sumsBytes] = [record.bytes("workBytes"), record.bytes("sumsBytes")];
  const work = host.scratch(host.threads * workBytes + sumsBytes);
  record.write({ ...whole, workBytes, sumsBytes, work, sums: work + host.threads * workBytes });
  body(record.address);
}

/**
 * Into how many blocks of columns each of `memories` is cut: as few as give every thread the same
 * share, or nearly. The bits of a column do not depend on it.
 */
function blocksOf(memories: number, panels: number, threads: number): number {
  for (let blocks = 1; blocks < panels; blocks++) {
    const tasks = memories * blocks;
    if (tasks % threads === 0 || tasks >= 4 * threads) return blocks;
  }
  return panels;
}
