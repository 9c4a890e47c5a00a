import type { Blocks } from "../device.ts";
import { checkDivides } from "../shapes.ts";
import { CpuBlocks } from "./block_plan.ts";
import type { Host } from "./host.ts";

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

/** One call of landmark attention; what is left out is 0. */
export type LandmarkJob = Partial<Record<typeof FIELDS[number], number>>;

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

/** Room that a call takes beside its tensors, in bytes. */
interface JobRoom {
  /** For each batch row and key/value head. */
  readonly packedBytes: number;
  /** For each part. */
  readonly workBytes: number;
  /** For each share of each batch row and head. */
  readonly sumsBytes: number;
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
  const address = host.alloc(FIELDS.length * 4);
  try {
    writeJob(host, address, job);
    host.call("landmarkRoom", address);
    const { packedBytes, workBytes, sumsBytes } = readJob(host, address);
    const { batch = 1, heads = 1, kvHeads = 1, shares = 0 } = job;
    const packed = packs ? batch * kvHeads * packedBytes : 0;
    const work = host.threads * workBytes;
    const at = host.scratch(packed + work + shares * batch * heads * sumsBytes);
    const places = { packed: at, work: at + packed, sums: at + packed + work };
    writeJob(host, address, { ...job, packedBytes, workBytes, sumsBytes, ...places });
    body(address);
  } finally {
    host.free(address);
  }
}

function writeJob(host: Host, address: number, job: LandmarkJob): void {
  host.i32(address, FIELDS.length).set(FIELDS.map((name) => job[name] ?? 0));
  const writeReal = (name: typeof FIELDS[number], value: number) =>
    host.f32(address + 4 * FIELDS.indexOf(name), 1)[0] = value;
  writeReal("scale", job.scale ?? 1);
  writeReal("foreignBias", job.foreignBias ?? 0);
}

function readJob(host: Host, address: number): JobRoom {
  const record = host.i32(address, FIELDS.length);
  const field = (name: typeof FIELDS[number]) => record[FIELDS.indexOf(name)] >>> 0;
  return {
    packedBytes: field("packedBytes"),
    workBytes: field("workBytes"),
    sumsBytes: field("sumsBytes"),
  };
}
