import type { Blocks } from "../device.ts";
import { checkDivides } from "../shapes.ts";
import { CpuBlocks } from "./block_plan.ts";
import type { Host } from "./host.ts";
import { type Job, jobRecord } from "./job_record.ts";

/** Fields of the record `Job` in asm/landmark_job.ts, in its order; four bytes each. */
const FIELDS = [
  "batch",
  "queries",
  "keys",
  "heads",
  "kvHeads",
  "dim",
  "scale",
  "q",
  "k",
  "v",
  "out",
  "top",
  "plan",
  "foreignKeys",
  "foreignValues",
  "foreignLists",
  "foreignCounts",
  "foreignRoom",
  "foreignBias",
  "pool",
  "entries",
  "slots",
  "slotQueries",
  "chosen",
  "sets",
  "slotCount",
  "blockSize",
  "packed",
  "packedBytes",
  "work",
  "workBytes",
  "dOut",
  "dQ",
  "dK",
  "dV",
  "dForeignKeys",
  "dForeignValues",
  "sums",
  "sumsBytes",
  "shares",
] as const;

/** Up to so many queries are taken one by one: packing the keys for them would take longer. */
export const FEW_QUERIES = 8;

/** Multiplications that take as long as touching one element does elsewhere. */
export const PRODUCTS_PER_ELEMENT = 8;

/** One call of landmark attention. */
export type LandmarkJob = Job<typeof FIELDS[number]>;

/** The shape of a call, and where its scale and its plan are. */
export function shapeJob(
  operation: string,
  host: Host,
  { B, T, S, H, G, D }: Record<"B" | "T" | "S" | "H" | "G" | "D", number>,
  blocks: Blocks,
  scale = 1 / Math.sqrt(D),
): LandmarkJob {
  checkDivides(operation, ["G", G], ["H", H]);
  if (T > S) {
    throw new RangeError(
      `Cannot run ${operation} as the queries must be the last of ${S} keys: ` +
        `current value is ${T} queries`,
    );
  }
  if (blocks.rows !== B || blocks.keys !== S) {
    throw new RangeError(
      `Cannot run ${operation} as its blocks must be planned for ${B} rows of ${S} keys: ` +
        `current value is ${blocks.rows} rows of ${blocks.keys}`,
    );
  }
  if (!(blocks instanceof CpuBlocks) || blocks.host !== host) {
    throw new TypeError(`Cannot run ${operation} as its blocks belong to another device`);
  }
  const plan = blocks.address;
  return { batch: B, queries: T, keys: S, heads: H, kvHeads: G, dim: D, scale, plan };
}

/**
 * Writes the record, finds it room in the work area, and lets `body` run kernels on it.
 *
 * @param packs Whether keys and values are packed.
 */
export function runJob(
  host: Host,
  job: LandmarkJob,
  { packs }: { packs: boolean },
  body: (address: number) => void,
): void {
  using record = jobRecord(host, { fields: FIELDS, reals: ["scale", "foreignBias"] });
  record.write(job);
  host.call("landmarkRoom", record.address);
  const sizes = {
    packedBytes: record.bytes("packedBytes"), // for each batch row and key/value head
    workBytes: record.bytes("workBytes"), // for each part
    sumsBytes: record.bytes("sumsBytes"), // for each share of each batch row and head
  };
  const { batch = 1, heads = 1, kvHeads = 1, shares = 0 } = job;
  const packed = packs ? batch * kvHeads * sizes.packedBytes : 0;
  const work = host.threads * sizes.workBytes;
  const at = host.scratch(packed + work + shares * batch * heads * sizes.sumsBytes);
  const places = { packed: at, work: at + packed, sums: at + packed + work };
  record.write({ ...job, ...sizes, ...places });
  body(record.address);
}
