import type { BlockTable, Bookkeeping } from "../device/bookkeeping.ts";
import type { Device } from "../device/device.ts";
import type { Files } from "../io/files.ts";
import { type Arrivals, arrivals } from "./arrivals.ts";
import { type AddedBlocks, type BlockPool, cachePool } from "./block_pool.ts";
import { type LandmarkKeys, landmarkKeys } from "./landmark_keys.ts";
import { MemoryFullError } from "./memory_error.ts";
import type { MemoryPlan } from "./options.ts";
import { residentPool } from "./resident_pool.ts";
import { fileTier } from "./tiers/file_tier.ts";
import { hostTier } from "./tiers/host_tier.ts";
import { put, type Tier } from "./tiers/tier.ts";
import { createTurns, type Turns } from "./turns.ts";

/** What a store is made of, beside its plan. */
export interface StoreParts {
  readonly device: Device;
  readonly bookkeeping: Bookkeeping;
  /** Needed for a file tier. */
  readonly files?: Files | undefined;
}

/** One reader of a store: told when a block is forgotten. */
export interface StoreView {
  /** The block of this slot is gone. */
  forget(slot: number): void;
}

/** One block as it is stored: by piece, layer · G + head; `undefined` where nothing is kept. */
export type StoredPieces = readonly (Uint8Array | undefined)[];

/** A block that is to be stored. */
export interface NewBlock {
  /** Its bytes: of a block that comes from the device all pieces, after a while. */
  readonly pieces: StoredPieces | Promise<readonly Uint8Array[]>;
}

/**
 * The stored blocks that the forks of a session share. It holds what views hold, in tiers that
 * fill one after the other, and forgets whole blocks when all are full.
 */
export interface BlockStore extends Disposable {
  readonly plan: MemoryPlan;
  readonly device: Device;
  readonly table: BlockTable;
  readonly pool: BlockPool;
  readonly landmarks: LandmarkKeys;
  /** Who changes or reads blocks waits for those before, so that none goes while it is read. */
  readonly turns: Turns;
  readonly views: Set<StoreView>;
  readonly usage: StoreUsage;
  /** Disposed with the store: what its views share beside it. */
  readonly lifetime: DisposableStack;
  /** Stores a block, held by nobody yet, and returns its slot. @throws {MemoryFullError} */
  add(number: number, block: NewBlock): Promise<number>;
  /** Tells the pool of blocks that were added, and are the last of a list now. */
  admit(blocks: AddedBlocks): Promise<void>;
  /** The pieces of a block, in one order for all its life. */
  pieces(slot: number): Promise<StoredPieces>;
  /** Frees what nobody holds of these blocks. */
  sweep(slots: Iterable<number>): void;
  /** Bytes that are missing to store so many blocks without forgetting any. */
  missingBytes(blocks: number): number;
}

/** What a store holds, and what became of what it held. */
export interface StoreUsage {
  readonly landmarkBytes: number;
  readonly poolBytes: number;
  readonly hostBytes: number;
  readonly fileBytes: number;
  readonly tableBytes: number;
  /** Blocks that went from the host to the file. */
  readonly demotedBlocks: number;
  /** Blocks that were forgotten. */
  readonly evictedBlocks: number;
}

/** The first tier fills first; the last one forgets. */
const HOST = 0;
/** Blocks whose bytes a device may owe while it reads on: some steps' worth. */
const OWED = 32;

/** An empty store. */
export function blockStore(plan: MemoryPlan, parts: StoreParts): BlockStore {
  const { device, bookkeeping } = parts;
  using stack = new DisposableStack();
  const table = stack.use(bookkeeping.table({
    pieces: plan.piecesPerBlock,
    kvHeads: plan.heads.kvHeads,
    topBlocks: plan.topBlocks,
    entries: plan.poolEntries,
  }));
  const tiers = makeTiers(plan, parts.files).map((tier) => stack.use(tier));
  // Who goes by use must be seen when it is read, which a device does not tell.
  const resident = device.info.remote && (plan.evict === "oldest" || plan.whenFull === "error");
  const owed = arrivals();
  const cache = (): BlockPool => cachePool(device, plan, table, arriving(tiers, owed));
  let pool = resident ? residentPool(device, plan) : cache();
  stack.defer(() => pool[Symbol.dispose]());
  const landmarks = stack.use(landmarkKeys(device, plan));
  const views = new Set<StoreView>();
  const count = { demoted: 0, evicted: 0 };
  const shelves: Shelves = { plan, table, tiers, views, count, owed };
  const lifetime = stack.move();
  return {
    lifetime,
    plan,
    device,
    table,
    get pool() {
      return pool;
    },
    landmarks,
    turns: createTurns(),
    views,
    get usage() {
      return {
        landmarkBytes: landmarks.bytes,
        poolBytes: pool.bytes,
        hostBytes: tiers[HOST].bytes,
        fileBytes: tiers[1]?.bytes ?? 0,
        tableBytes: table.bytes,
        demotedBlocks: count.demoted,
        evictedBlocks: count.evicted,
      };
    },
    async add(number, block) {
      const slot = await storeBlock(shelves, number, block);
      try {
        landmarks.reserve(slot);
        await owed.settle(device.info.remote ? OWED : 0);
      } catch (error) {
        release(shelves, slot);
        throw error;
      }
      return slot;
    },
    async admit(blocks) {
      if (await pool.admit(blocks)) return;
      pool[Symbol.dispose]();
      pool = cache();
      await pool.admit(blocks);
    },
    pieces: (slot) => piecesOf(shelves, slot),
    sweep: (slots) => sweep(shelves, slots),
    missingBytes(blocks) {
      const room = tiers.reduce((sum, tier) => sum + tier.capacity - tier.count, 0);
      return Math.max(0, blocks * plan.piecesPerBlock - room) * plan.pieceBytes;
    },
    [Symbol.dispose]: () => lifetime.dispose(),
  };
}

function makeTiers({ pieceBytes, piecesPerBlock, hostBytes, file }: MemoryPlan, files?: Files) {
  const tiers: Tier[] = [hostTier(pieceBytes, hostBytes)];
  if (file) {
    if (!files) throw new TypeError(`Cannot keep blocks in "${file.path}" without files`);
    const tier = fileTier(files, file.path, pieceBytes, file.bytes);
    if (tier.capacity < piecesPerBlock) {
      throw new RangeError(
        `Cannot make a memory as budget.file.bytes must hold the ${piecesPerBlock} pieces of a ` +
          `block, each on pages of its own: current value is ${file.bytes}`,
      );
    }
    tiers.push(tier);
  }
  return tiers;
}

/** The tiers for one who brings pieces to the device: what is asked for may be owed yet. */
function arriving(tiers: readonly Tier[], owed: Arrivals): Pick<Tier, "get">[] {
  return tiers.map((tier) => ({
    async get(places) {
      await owed.settle(0);
      return await tier.get(places);
    },
  }));
}

/** What the functions below work on. */
interface Shelves {
  readonly plan: MemoryPlan;
  readonly table: BlockTable;
  readonly tiers: readonly Tier[];
  readonly views: ReadonlySet<StoreView>;
  readonly count: { demoted: number; evicted: number };
  readonly owed: Arrivals;
}

async function storeBlock(
  shelves: Shelves,
  number: number,
  { pieces }: NewBlock,
): Promise<number> {
  const { plan, table, tiers, owed } = shelves;
  const all = Array.from({ length: plan.piecesPerBlock }, (_, piece) => piece);
  const kept = pieces instanceof Promise ? all : all.filter((piece) => pieces[piece] !== undefined);
  await makeRoom(shelves, HOST, kept.length);
  const places = tiers[HOST].take(kept.length);
  const slot = table.take(number);
  kept.forEach((piece, i) => table.setPlace(slot, piece, places[i]));
  table.setTier(slot, HOST);
  owed.expect(slot, pieces, (pieces) => {
    // Some may have been removed since, with their places.
    const still = storedPieces(shelves, slot);
    const places = still.map((piece) => table.place(slot, piece));
    return tiers[HOST].write(places, still.map((piece) => pieces[piece]!));
  });
  return slot;
}

/** Moves blocks of a tier to the next, or forgets them, until so many pieces fit. */
async function makeRoom(shelves: Shelves, number: number, pieces: number): Promise<void> {
  const { plan, table, tiers } = shelves;
  const tier = tiers[number];
  while (tier.capacity - tier.count < pieces) {
    const victim = table.victim(number, plan.evict);
    if (victim === undefined) {
      throw new Error(`Cannot make room for ${pieces} pieces as the ${tier.name} tier is empty`);
    }
    if (number + 1 < tiers.length) await demote(shelves, victim, number);
    else forget(shelves, victim);
  }
}

async function demote(shelves: Shelves, slot: number, from: number): Promise<void> {
  const { table, tiers, count } = shelves;
  await shelves.owed.settle(0);
  const pieces = storedPieces(shelves, slot);
  await makeRoom(shelves, from + 1, pieces.length);
  const old = pieces.map((piece) => table.place(slot, piece));
  const places = await put(tiers[from + 1], await tiers[from].get(old));
  tiers[from].delete(old);
  pieces.forEach((piece, i) => table.setPlace(slot, piece, places[i]));
  table.setTier(slot, from + 1);
  count.demoted++;
}

function forget(shelves: Shelves, slot: number): void {
  const { plan, views, count } = shelves;
  if (plan.whenFull === "error") {
    throw new MemoryFullError(
      `Cannot store a block as every tier is full and whenFull must be "evict" to forget one: ` +
        `current value is "error"`,
      plan.piecesPerBlock * plan.pieceBytes,
    );
  }
  for (const view of views) view.forget(slot);
  release(shelves, slot);
  count.evicted++;
}

/** The pieces of a block that are kept. */
function storedPieces({ plan, table }: Shelves, slot: number): number[] {
  const all = Array.from({ length: plan.piecesPerBlock }, (_, piece) => piece);
  return all.filter((piece) => table.place(slot, piece) >= 0);
}

async function piecesOf(shelves: Shelves, slot: number): Promise<StoredPieces> {
  const { plan, table, tiers, owed } = shelves;
  await owed.settle(0);
  const kept = storedPieces(shelves, slot);
  const bytes = await tiers[table.tier(slot)].get(kept.map((piece) => table.place(slot, piece)));
  const pieces = new Array<Uint8Array | undefined>(plan.piecesPerBlock).fill(undefined);
  kept.forEach((piece, i) => pieces[piece] = bytes[i]);
  return pieces;
}

/** Deletes some pieces of a block. */
function remove({ table, tiers }: Shelves, slot: number, pieces: readonly number[]): void {
  tiers[table.tier(slot)].delete(pieces.map((piece) => table.place(slot, piece)));
  for (const piece of pieces) {
    table.setPlace(slot, piece, -1);
    table.forgetPiece(slot, piece);
  }
}

function release(shelves: Shelves, slot: number): void {
  shelves.owed.forget(slot);
  remove(shelves, slot, storedPieces(shelves, slot));
  shelves.table.release(slot);
}

function sweep(shelves: Shelves, slots: Iterable<number>): void {
  const { plan, table } = shelves;
  const isShort = (piece: number): boolean => !plan.isLong[Math.floor(piece / plan.heads.kvHeads)];
  const passing = Array.from({ length: plan.piecesPerBlock }, (_, piece) => piece).filter(isShort);
  for (const slot of slots) {
    if (table.number(slot) < 0) continue; // free already
    if (table.holders(slot) === 0) {
      release(shelves, slot);
    } else if (table.recentHolders(slot) === 0) {
      // Layers without a long memory have no further use for it.
      const kept = passing.filter((piece) => table.place(slot, piece) >= 0);
      if (kept.length > 0) remove(shelves, slot, kept);
    }
  }
}
