import type { EvictionPolicy } from "../device/bookkeeping.ts";
import { type Granularity, sizeOf } from "../device/device.ts";
import type { HeadShape } from "./head_shape.ts";

/**
 * How blocks are chosen: the best for each `token` and head, one set for all tokens of a call in a
 * section (`chunk`), one set for all `heads` of a token, or only the last ones (`recent`).
 */
export type BlockChoice = Granularity | "recent";

/** What a memory may hold, in bytes. */
export interface MemoryBudget {
  /**
   * On the device. On the CPU a cache of the blocks that were read last; a GPU holds every block as
   * long as all fit, and then is such a cache too. @default {32 MiB, at most 4096 pieces; 128 MiB on a GPU}
   */
  device?: number;
  /** In the host's memory, outside WebAssembly's. @default {2 GiB} */
  host?: number;
  /** In a file, which is made anew and removed at the end: what the host has no room for. */
  file?: { path: string; bytes: number };
}

/** Options of a session's memory. */
export interface MemoryOptions {
  /** K: how many blocks are read. @default {the model's} */
  topBlocks?: number;
  /** Tokens a section holds, landmarks included: a multiple of the block size. @default {the model's} */
  chunk?: number;
  /** How blocks are chosen. @default {{ reading: "recent", asking: "token" }} */
  choose?: { reading?: BlockChoice; asking?: BlockChoice };
  /** The layers that can go back to any block; the others keep their last K ones. @default {the model's} */
  memoryLayers?: readonly number[];
  /** How stored keys and values are kept. @default {"f16"} */
  storage?: "f16" | "f32";
  /** What may be held where. */
  budget?: MemoryBudget;
  /** Which block goes first when a tier is full. @default {"oldest"} */
  evict?: EvictionPolicy;
  /** When every tier is full: forget a block and count it, or fail. @default {"evict"} */
  whenFull?: "evict" | "error";
}

/** What the model says where the options say nothing. */
export interface MemoryDefaults {
  readonly blockSize: number;
  readonly topBlocks: number;
  readonly chunk: number;
  readonly memoryLayers: readonly number[];
}

/** Options, checked and complete. */
export interface MemoryPlan {
  readonly heads: HeadShape;
  readonly blockSize: number;
  readonly topBlocks: number;
  readonly chunk: number;
  readonly choose: { readonly reading: BlockChoice; readonly asking: BlockChoice };
  /** Which layers have a long memory. */
  readonly isLong: readonly boolean[];
  readonly storage: "f16" | "f32";
  /** A piece: keys and values of one block, layer and key/value head, as it is stored. */
  readonly pieceBytes: number;
  /** Pieces of a whole block. */
  readonly piecesPerBlock: number;
  readonly poolEntries: number;
  readonly hostBytes: number;
  readonly file: { readonly path: string; readonly bytes: number } | undefined;
  readonly evict: EvictionPolicy;
  readonly whenFull: "evict" | "error";
}

const CHOICES: readonly string[] = ["token", "chunk", "heads", "recent"] satisfies BlockChoice[];
const DEVICE_BYTES = 2 ** 25;
const REMOTE_BYTES = 2 ** 27;
const MOST_ENTRIES = 2 ** 12;
const HOST_BYTES = 2 ** 31;

/**
 * Completes options.
 *
 * @param remote Whether the device is far away: its pool then holds blocks for good, as stored.
 * @throws {RangeError} If one is out of range or a budget is too small.
 */
export function planMemory(
  heads: HeadShape,
  defaults: MemoryDefaults,
  options: MemoryOptions = {},
  remote = false,
): MemoryPlan {
  const { blockSize } = defaults;
  const { topBlocks = defaults.topBlocks, chunk = defaults.chunk, storage = "f16" } = options;
  const { choose = {}, evict = "oldest", whenFull = "evict" } = options;
  const { memoryLayers = defaults.memoryLayers } = options;
  need("topBlocks", "an integer in [1, 4096]", topBlocks, isInteger(topBlocks, 1, 4096));
  need(
    "chunk",
    `a positive multiple of the block size, ${blockSize}`,
    chunk,
    isInteger(chunk, 1, 2 ** 22) && chunk % blockSize === 0,
  );
  oneOf("storage", ["f16", "f32"], storage);
  oneOf("evict", ["oldest", "leastRecentlyRead"], evict);
  oneOf("whenFull", ["evict", "error"], whenFull);
  const { reading = "recent", asking = "token" } = choose;
  oneOf("choose.reading", CHOICES, reading);
  oneOf("choose.asking", CHOICES, asking);
  for (const layer of memoryLayers) {
    const isLayer = isInteger(layer, 0, heads.layers - 1);
    need("memoryLayers", `layers in [0, ${heads.layers - 1}]`, layer, isLayer);
  }
  const numbers = sizeOf([2, blockSize, heads.headDim]);
  const shape = {
    heads,
    blockSize,
    topBlocks,
    chunk,
    choose: { reading, asking },
    isLong: Array.from({ length: heads.layers }, (_, layer) => memoryLayers.includes(layer)),
    storage,
    pieceBytes: numbers * (storage === "f16" ? 2 : 4),
    piecesPerBlock: heads.layers * heads.kvHeads,
    evict,
    whenFull,
  };
  const entryBytes = remote ? shape.pieceBytes : numbers * 4;
  const usual = remote
    ? Math.floor(REMOTE_BYTES / entryBytes)
    : Math.min(MOST_ENTRIES, Math.floor(DEVICE_BYTES / entryBytes));
  return { ...shape, ...planBudget(shape, { entryBytes, usual }, options.budget) };
}

function planBudget(
  shape: Pick<MemoryPlan, "heads" | "topBlocks" | "pieceBytes" | "piecesPerBlock">,
  { entryBytes, usual }: { entryBytes: number; usual: number },
  budget: MemoryBudget = {},
): Pick<MemoryPlan, "poolEntries" | "hostBytes" | "file"> {
  const { device, host = HOST_BYTES, file } = budget;
  // A token's blocks must be in the pool together.
  const least = shape.heads.heads * shape.topBlocks;
  const poolEntries = device === undefined
    ? Math.max(least, usual)
    : Math.floor(device / entryBytes);
  const room = `at least ${least * entryBytes} bytes, the blocks that one token reads`;
  need("budget.device", room, device, poolEntries >= least);
  const block = shape.piecesPerBlock * shape.pieceBytes;
  need("budget.host", `at least ${block} bytes, one block of all layers`, host, host >= block);
  if (file) {
    const enough = file.bytes >= block;
    need("budget.file.bytes", `at least ${block} bytes, one block`, file.bytes, enough);
  }
  return { poolEntries, hostBytes: host, file };
}

/** What a token that is read costs for good: keys and values in the layers with a long memory. */
export function bytesPerToken(plan: MemoryPlan): number {
  const layers = plan.isLong.filter(Boolean).length;
  const { kvHeads, headDim } = plan.heads;
  return 2 * layers * kvHeads * headDim * (plan.storage === "f16" ? 2 : 4);
}

function isInteger(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function oneOf(name: string, values: readonly string[], value: string): void {
  need(name, values.map((each) => `"${each}"`).join(" or "), value, values.includes(value));
}

function need(name: string, wanted: string, value: unknown, holds: boolean): void {
  if (holds) return;
  throw new RangeError(
    `Cannot make a memory as ${name} must be ${wanted}: current value is ${value}`,
  );
}
