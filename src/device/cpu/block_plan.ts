import type { BlockPlan, Blocks } from "../device.ts";
import type { Host } from "./host.ts";

/** Fields of the record `Plan` in asm/block_plan.ts, in its order; four bytes each. */
const FIELDS = [
  "rows",
  "keys",
  "isLandmark",
  "isLandmarkRow",
  "document",
  "documentRow",
  "present",
  "presentRow",
  "slotRoom",
  "chunkRoom",
  "blockRoom",
  "counts",
  "slots",
  "chunks",
  "blocks",
  "sights",
  "mostSlots",
  "mostBlocks",
  "widest",
] as const;

/** Bytes of the records in the tables. */
const RECORD_BYTES = { counts: 12, slots: 4, chunks: 16, blocks: 12, sights: 16 };

/** A plan in the memory of a CPU device: the tables that asm/block_plan.ts describes. */
export class CpuBlocks implements Blocks {
  #address: number | undefined;

  constructor(
    readonly host: Host,
    readonly rows: number,
    readonly keys: number,
    address: number,
    /** The largest counts of any row, and the slots of the widest chunk. */
    readonly most: { readonly slots: number; readonly blocks: number; readonly widest: number },
  ) {
    this.#address = address;
  }

  /** Where the record lies. */
  get address(): number {
    if (this.#address === undefined) throw new TypeError("Cannot use blocks that were freed");
    return this.#address;
  }

  [Symbol.dispose](): void {
    if (this.#address !== undefined) this.host.free(this.#address);
    this.#address = undefined;
  }
}

/** Turns a plan into ranges; asm/block_plan.ts. */
export function blocks(host: Host, plan: BlockPlan, rows: number, keys: number): CpuBlocks {
  checkPlan(plan, rows, keys);
  const { isLandmark, document, present } = plan;
  const inputs = [isLandmark, document, present].filter((input) => input !== undefined);
  const distinct = inputs.every((input) => input.length === keys) ? 1 : rows;
  const chunkRoom = (keys >> 5) + 2;
  const room = {
    rows: distinct,
    keys,
    slotRoom: keys + 8 * chunkRoom,
    chunkRoom,
    blockRoom: (keys >> 1) + 1,
  };
  const tables = {
    counts: distinct * RECORD_BYTES.counts,
    slots: distinct * room.slotRoom * RECORD_BYTES.slots,
    chunks: distinct * room.chunkRoom * RECORD_BYTES.chunks,
    blocks: distinct * room.blockRoom * RECORD_BYTES.blocks,
    sights: distinct * keys * RECORD_BYTES.sights,
  };
  const given = placeInputs(host, plan, keys);
  const recordBytes = FIELDS.length * 4;
  const bytes = Object.values(tables).reduce((sum, size) => sum + size, recordBytes);
  const address = host.alloc(bytes);
  let end = address + recordBytes;
  const places = Object.fromEntries(
    Object.entries(tables).map(([name, size]) => [name, (end += size) - size]),
  );
  const record: Record<string, number> = { ...room, ...given, ...places };
  host.i32(address, FIELDS.length).set(FIELDS.map((name) => record[name] ?? 0));
  host.call("blockPlan", address);
  const [slots, most, widest] = host.i32(address, FIELDS.length).subarray(-3);
  return new CpuBlocks(host, rows, keys, address, { slots, blocks: most, widest });
}

/** Copies the plan to the work area: addresses, and the bytes from row to row. */
function placeInputs(
  host: Host,
  { isLandmark, document, present }: BlockPlan,
  keys: number,
): Record<string, number> {
  const documentBytes = (document?.length ?? 0) * 4;
  const at = host.scratch(documentBytes + isLandmark.length + (present?.length ?? 0));
  const landmarkAt = at + documentBytes;
  const presentAt = landmarkAt + isLandmark.length;
  host.u8(landmarkAt, isLandmark.length).set(isLandmark);
  if (document) host.i32(at, document.length).set(document);
  if (present) host.u8(presentAt, present.length).set(present);
  const row = (length: number) => length === keys ? 0 : keys;
  return {
    isLandmark: landmarkAt,
    isLandmarkRow: row(isLandmark.length),
    ...(document && { document: at, documentRow: row(document.length) * 4 }),
    ...(present && { present: presentAt, presentRow: row(present.length) }),
  };
}

/** @throws {RangeError} On a plan that fits neither a row nor the batch, or cuts a document in two. */
function checkPlan(plan: BlockPlan, rows: number, keys: number): void {
  for (const name of ["isLandmark", "document", "present"] as const) {
    const length = plan[name]?.length;
    if (length === undefined || length === keys || length === rows * keys) continue;
    throw new RangeError(
      `Cannot plan blocks as ${name} must have a length of ${keys} or ${rows} · ${keys}: ` +
        `current value is ${length}`,
    );
  }
  const { document, present } = plan;
  if (!document) return;
  const shared = document.length === keys && (present?.length ?? keys) === keys;
  for (let b = 0; b < (shared ? 1 : rows); b++) {
    checkDocuments(rowOf(document, b, keys), present && rowOf(present, b, keys));
  }
}

function rowOf<T extends Uint8Array | Int32Array>(x: T, b: number, keys: number): T {
  return (x.length === keys ? x : x.subarray(b * keys, (b + 1) * keys)) as T;
}

/** Padding is as if it did not exist: what document it claims to be in means nothing. */
function checkDocuments(document: Int32Array, present: Uint8Array | undefined): void {
  const begun = new Set<number>();
  let current: number | undefined;
  for (let key = 0; key < document.length; key++) {
    if (present && !present[key] || document[key] === current) continue;
    current = document[key];
    if (begun.has(current)) {
      throw new RangeError(
        `Cannot plan blocks as a document must be contiguous: document ${current} begins again ` +
          `at key ${key}`,
      );
    }
    begun.add(current);
  }
}
