import type { InfiniShape } from "../infini.ts";
import type { Host } from "./host.ts";

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

type Field = typeof FIELDS[number];

/** One call of Infini-attention; what is left out is 0. */
export type InfiniJob = Partial<Record<Field, number>>;

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
  const address = host.alloc(FIELDS.length * 4);
  const write = (fields: InfiniJob): void => {
    host.i32(address, FIELDS.length).set(FIELDS.map((name) => fields[name] ?? 0));
    host.f32(address + 4 * FIELDS.indexOf("epsilon"), 1)[0] = epsilon;
  };
  try {
    const whole = {
      ...{ batch: B, tokens: T, segmentCount: S, heads: H, kvHeads: G, dim: D },
      delta: Number(delta),
      blocks: blocksOf(B * G, Math.ceil(D / 8), host.threads),
      ...job,
    };
    write(whole);
    host.call("infiniRoom", address);
    const record = host.i32(address, FIELDS.length);
    const [workBytes, sumsBytes] = (["workBytes", "sumsBytes"] as const)
      .map((name) => record[FIELDS.indexOf(name)] >>> 0);
    const work = host.scratch(host.threads * workBytes + sumsBytes);
    write({ ...whole, workBytes, sumsBytes, work, sums: work + host.threads * workBytes });
    body(address);
  } finally {
    host.free(address);
  }
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
