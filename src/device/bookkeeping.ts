/**
 * The table of stored blocks, kept by the kernels' module in a small memory of its own on the CPU:
 * every device's block memory uses it, and nobody above knows where in it anything lies.
 */
import { createHeap, type Heap } from "./cpu/heap.ts";
import { compileKernels } from "./cpu/kernels.ts";

/** Makes block tables. */
export interface Bookkeeping {
  /** An empty table. */
  table(shape: TableShape): BlockTable;
}

/** What a {@linkcode BlockTable} counts with. */
export interface TableShape {
  /** Pieces a block: layers · key/value heads. */
  readonly pieces: number;
  /** G. */
  readonly kvHeads: number;
  /** K: how many of a view's last blocks count as recent. */
  readonly topBlocks: number;
  /** Entries of the device's pool. */
  readonly entries: number;
}

/** Slots of one view's blocks, oldest first. */
export interface BlockList extends Disposable {
  /** n. */
  readonly length: number;
  /** The slot at a place. */
  at(place: number): number;
  /** A copy, from a place on. */
  slots(from?: number): Int32Array;
  /** Adds a block, and returns the slot that is among nobody's last K any more, if there is one. */
  append(slot: number): number | undefined;
  /** Takes a block out, if it is there, and says whether it was. */
  remove(slot: number): boolean;
  /** Puts other blocks in the place of as many from `place` on, and returns the slots of those. */
  replace(place: number, slots: Int32Array): Int32Array;
  /** Another view of the same blocks. */
  fork(): BlockList;
}

/** Which stored blocks the tokens of a step read in one layer. */
export interface ChosenRows {
  /** i32 [rows, chosenHeads, k]: places in the list, by time; `undefined` stands for the last k. */
  readonly chosen: Int32Array | undefined;
  /** T, or 1 for all tokens together. */
  readonly rows: number;
  /** H, or 1 for all heads together. */
  readonly chosenHeads: number;
  /** H. */
  readonly heads: number;
  /** How many blocks each reads. */
  readonly k: number;
}

/** A piece that must be brought to a pool entry before it can be read. */
export interface MissingPiece {
  /** Of its block. */
  readonly slot: number;
  /** Which of its block's: layer · G + head. */
  readonly piece: number;
  /** Where it goes. */
  readonly entry: number;
}

/** What {@linkcode BlockTable.place} found. */
export interface Placement {
  /** How many rows were placed: the others need another pass, as the pool is full. */
  readonly rows: number;
  /** Pool entries, [rows, H, k]. */
  readonly entries: Int32Array;
  /** Slots of the positions 0 … K, [rows, H, k]. */
  readonly slots: Int32Array;
  /** What must be loaded before those entries may be read. */
  readonly missing: readonly MissingPiece[];
}

/** Where every stored block is, who needs it, and which goes when room is short. */
export interface BlockTable extends Disposable {
  /** Bytes that the table takes up. */
  readonly bytes: number;
  /** An empty list. */
  list(): BlockList;
  /** A slot for a new block, held by nobody. */
  take(number: number): number;
  /** Gives a slot back; the pool forgets its block. */
  release(slot: number): void;
  /** The block's number in its text. */
  number(slot: number): number;
  /** How many views hold the block. */
  holders(slot: number): number;
  /** How many views have the block among their last K ones. */
  recentHolders(slot: number): number;
  /** Which tier holds the block; −1 for none. */
  tier(slot: number): number;
  /** Says that a tier holds the block. */
  setTier(slot: number, tier: number): void;
  /** Where in its tier a piece lies; −1 if nowhere. */
  place(slot: number, piece: number): number;
  /** Says where in its tier a piece lies. */
  setPlace(slot: number, piece: number, place: number): void;
  /** The pool's copy of a piece, if there is one, is not valid any more. */
  forgetPiece(slot: number, piece: number): void;
  /** The block of a tier that goes first, if it has any. */
  victim(tier: number, policy: EvictionPolicy): number | undefined;
  /** Finds pool entries for rows `first` … of a choice; they stay until the next call. */
  find(list: BlockList, layer: number, chosen: ChosenRows, first: number): Placement;
}

/** Which block goes first when room is short. */
export type EvictionPolicy = "oldest" | "leastRecentlyRead";

/** The functions of asm/block_table.ts; addresses are bytes. */
interface TableKernels {
  heapBase(): number;
  initTable(...args: number[]): void;
  segmentSize(table: number): number;
  addSegment(table: number, segment: number): void;
  takeSlot(table: number, number: number): number;
  releaseSlot(table: number, slot: number): void;
  forgetPiece(table: number, slot: number, piece: number): void;
  blockNumber(table: number, slot: number): number;
  blockHolders(table: number, slot: number): number;
  recentHolders(table: number, slot: number): number;
  tierOf(table: number, slot: number): number;
  setTier(table: number, slot: number, tier: number): void;
  placeOf(table: number, slot: number, piece: number): number;
  setPlace(table: number, slot: number, piece: number, place: number): void;
  holdLast(table: number, list: number, n: number): number;
  holdAll(table: number, list: number, n: number, count: number): void;
  dropFromList(table: number, list: number, n: number, slot: number): number;
  chooseVictim(table: number, tier: number, byUse: number): number;
  beginReading(table: number): void;
  placeBlocks(...args: number[]): number;
  missingCount(table: number): number;
}

const TABLE_BYTES = 64;
const ENTRY_BYTES = 20;
const MISSING_BYTES = 12;
/** Of the directory: 1 048 576 slots. */
const SEGMENTS = 2 ** 12;

/**
 * Makes the bookkeeping ready.
 *
 * @param kernels The kernels' module, unthreaded, where the engine compiles none from bytes.
 */
export async function openBookkeeping(kernels?: WebAssembly.Module): Promise<Bookkeeping> {
  const module = kernels ?? await compileKernels("simd", false);
  return { table: (shape) => blockTable(module, shape) };
}

/** What the parts of a table share. */
interface Place {
  readonly kernels: TableKernels;
  readonly heap: Heap;
  readonly table: number;
  /** A view on the memory, made anew each call: memory that grows detaches older ones. */
  i32(address: number, length: number): Int32Array;
}

function blockTable(module: WebAssembly.Module, shape: TableShape): BlockTable {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = exports as unknown as TableKernels;
  const heap = createHeap(memory, kernels.heapBase());
  const table = heap.alloc(TABLE_BYTES);
  const entries = heap.alloc((shape.entries + 1) * ENTRY_BYTES);
  const segments = heap.alloc(SEGMENTS * 4);
  kernels.initTable(
    table,
    shape.pieces,
    shape.kvHeads,
    shape.topBlocks,
    entries,
    shape.entries,
    segments,
  );
  const i32 = (address: number, length: number) => new Int32Array(memory.buffer, address, length);
  const place: Place = { kernels, heap, table, i32 };
  const find = finder(place, shape);
  return {
    get bytes() {
      return memory.buffer.byteLength;
    },
    list: () => blockList(place),
    take(number) {
      const slot = kernels.takeSlot(table, number);
      if (slot >= 0) return slot;
      kernels.addSegment(table, heap.alloc(kernels.segmentSize(table)));
      return kernels.takeSlot(table, number);
    },
    release: (slot) => kernels.releaseSlot(table, slot),
    number: (slot) => kernels.blockNumber(table, slot),
    holders: (slot) => kernels.blockHolders(table, slot),
    recentHolders: (slot) => kernels.recentHolders(table, slot),
    tier: (slot) => kernels.tierOf(table, slot),
    setTier: (slot, tier) => kernels.setTier(table, slot, tier),
    place: (slot, piece) => kernels.placeOf(table, slot, piece),
    setPlace: (slot, piece, at) => kernels.setPlace(table, slot, piece, at),
    forgetPiece: (slot, piece) => kernels.forgetPiece(table, slot, piece),
    victim(tier, policy) {
      const slot = kernels.chooseVictim(table, tier, policy === "oldest" ? 0 : 1);
      return slot < 0 ? undefined : slot;
    },
    find: (list, layer, chosen, first) => find(list as TableList, layer, chosen, first),
    // The memory goes with the last reference to it: there is nothing else to free.
    [Symbol.dispose]: () => {},
  };
}

/** A list, and where it lies. */
interface TableList extends BlockList {
  readonly address: number;
}

/** A list with room to grow, of `from` if that is given. */
function blockList(place: Place, from: Int32Array = new Int32Array(0)): TableList {
  const { kernels, heap, table, i32 } = place;
  let room = Math.max(64, 2 * from.length);
  let length = from.length;
  let address = heap.alloc(room * 4);
  i32(address, length).set(from);
  kernels.holdAll(table, address, length, 1);
  const grow = (): void => {
    const larger = heap.alloc(room * 8);
    i32(larger, length).set(i32(address, length));
    heap.free(address);
    [address, room] = [larger, room * 2];
  };
  return {
    get address() {
      return address;
    },
    get length() {
      return length;
    },
    at: (place) => i32(address, length)[place],
    slots: (from = 0) => i32(address, length).slice(from),
    append(slot) {
      if (length === room) grow();
      i32(address, room)[length++] = slot;
      const passed = kernels.holdLast(table, address, length);
      return passed < 0 ? undefined : passed;
    },
    remove(slot) {
      const found = kernels.dropFromList(table, address, length, slot) >= 0;
      if (found) length--;
      return found;
    },
    replace(from, slots) {
      const part = i32(address, length).subarray(from, from + slots.length);
      const old = part.slice();
      kernels.holdAll(table, address, length, -1);
      part.set(slots);
      kernels.holdAll(table, address, length, 1);
      return old;
    },
    fork: () => blockList(place, i32(address, length).slice()),
    [Symbol.dispose]() {
      kernels.holdAll(table, address, length, -1);
      heap.free(address);
      length = 0;
    },
  };
}

type Find = (list: TableList, layer: number, chosen: ChosenRows, first: number) => Placement;

function finder({ kernels, heap, table, i32 }: Place, shape: TableShape): Find {
  const missing = heap.alloc(shape.entries * MISSING_BYTES);
  let scratch = { address: heap.alloc(64), bytes: 64 };
  /** Room that only grows, for what goes in and comes out. */
  const reserve = (bytes: number): number => {
    if (bytes > scratch.bytes) {
      heap.free(scratch.address);
      scratch = { address: heap.alloc(bytes), bytes };
    }
    return scratch.address;
  };
  return (list, layer, { chosen, rows, chosenHeads, heads, k }, first) => {
    const outputs = (rows - first) * heads * k;
    const entries = reserve((2 * outputs + (chosen?.length ?? 0)) * 4);
    const slots = entries + outputs * 4;
    const input = slots + outputs * 4;
    if (chosen) i32(input, chosen.length).set(chosen);
    const where = chosen ? input : 0;
    kernels.beginReading(table);
    const done = kernels.placeBlocks(
      ...[table, list.address, list.length, where, chosenHeads, first, rows, heads, k, layer],
      ...[entries, slots, missing],
    );
    const count = kernels.missingCount(table);
    const found = i32(missing, count * 3);
    return {
      rows: done,
      entries: i32(entries, done * heads * k).slice(),
      slots: i32(slots, done * heads * k).slice(),
      missing: Array.from({ length: count }, (_, i) => ({
        slot: found[3 * i],
        piece: found[3 * i + 1],
        entry: found[3 * i + 2],
      })),
    };
  };
}
