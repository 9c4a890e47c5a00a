// block_plan: a plan of landmarks, documents and padding, turned into ranges.
//
// The visible regular keys of a row get slots, in order of time; landmarks and padding get none.
// Whole blocks are collected into chunks of some CHUNK slots, and a chunk begins at a multiple of
// eight, so that a chunk of keys is a matrix that micro-kernels like. Whatever a query sees is then
// a range of slots (its own block) and a range of blocks (the earlier ones):
//
//   keys    r r r L r r p r L r r        r regular, L landmark, p padding
//   slots   0 1 2   3 4   5   6 7        of the last key: own slots 6 … 8, blocks 0 … 2
//   blocks  0 ..    1 ....    (open)
//
// The caller makes the record and room for the tables; `blockPlan` fills them in.

/** Slots a chunk holds, if no block in it is longer. */
export const CHUNK: u32 = 64;
/** `ownStart` of a query that sees nothing at all: padding. */
export const BLIND: u32 = 0xffffffff;

@unmanaged
export class Plan {
  /** Different rows: 1 if all batch rows are alike. */
  rows: u32;
  keys: u32;
  /** The inputs, u8, i32, u8; 0 where there is none; bytes from row to row, 0 if they share one. */
  isLandmark: usize;
  isLandmarkRow: u32;
  document: usize;
  documentRow: u32;
  present: usize;
  presentRow: u32;
  /** Room in each row's tables. */
  slotRoom: u32;
  chunkRoom: u32;
  blockRoom: u32;
  /** The tables, row after row. */
  counts: usize;
  slots: usize;
  chunks: usize;
  blocks: usize;
  sights: usize;
  /** Results: the largest counts of any row, the widest chunk. */
  mostSlots: u32;
  mostBlocks: u32;
  widest: u32;
}

/** How much of its tables a row fills. */
@unmanaged
export class Counts {
  /** Up to the end of the last chunk, a multiple of eight. */
  slots: u32;
  chunks: u32;
  blocks: u32;
}

/** Slots [start, end) and the blocks in them. */
@unmanaged
export class Chunk {
  start: u32;
  end: u32;
  firstBlock: u32;
  endBlock: u32;
}

/** A block that later queries can see: slots [start, end), and the key that is its landmark. */
@unmanaged
export class Block {
  start: u32;
  end: u32;
  landmark: u32;
}

/** What the query at a key sees. */
@unmanaged
export class Sight {
  ownStart: u32;
  ownEnd: u32;
  firstBlock: u32;
  endBlock: u32;
}

@inline
export function countsOf(plan: Plan, row: u32): Counts {
  return changetype<Counts>(plan.counts + row * offsetof<Counts>());
}

/** The slots of a row: i32, the key in each, −1 if it is empty. */

@inline
export function slotsOf(plan: Plan, row: u32): usize {
  return plan.slots + ((row * plan.slotRoom) << 2);
}

@inline
export function chunkAt(plan: Plan, row: u32, chunk: u32): Chunk {
  return changetype<Chunk>(plan.chunks + (row * plan.chunkRoom + chunk) * offsetof<Chunk>());
}

@inline
export function blockAt(plan: Plan, row: u32, block: u32): Block {
  return changetype<Block>(plan.blocks + (row * plan.blockRoom + block) * offsetof<Block>());
}

@inline
export function sightAt(plan: Plan, row: u32, key: u32): Sight {
  return changetype<Sight>(plan.sights + (row * plan.keys + key) * offsetof<Sight>());
}

/** Fills in the tables of every row. */
export function blockPlan(plan: Plan): void {
  plan.mostSlots = plan.mostBlocks = plan.widest = 0;
  for (let row: u32 = 0; row < plan.rows; row++) planRow(plan, row);
}

function planRow(plan: Plan, row: u32): void {
  const counts = countsOf(plan, row), slots = slotsOf(plan, row);
  counts.slots = counts.chunks = counts.blocks = 0;
  let first = firstPresent(plan, row, 0), firstBlock: u32 = 0;
  let document = first < plan.keys ? documentOf(plan, row, first) : 0;
  for (let key: u32 = 0; key < plan.keys;) {
    if (first < key) first = firstPresent(plan, row, key);
    if (first < plan.keys && documentOf(plan, row, first) != document) {
      document = documentOf(plan, row, first);
      firstBlock = counts.blocks;
    }
    const end = blockEnd(plan, row, key, document);
    const length = regularKeys(plan, row, key, end);
    if (length > 0) makeRoom(plan, row, length);
    const start = counts.slots;
    for (; key < end; key++) {
      const sight = sightAt(plan, row, key);
      const present = isPresent(plan, row, key);
      if (present && !isLandmark(plan, row, key)) store<u32>(slots + (counts.slots++ << 2), key);
      sight.ownStart = present ? start : BLIND;
      sight.ownEnd = counts.slots;
      sight.firstBlock = firstBlock;
      sight.endBlock = counts.blocks;
    }
    if (length > 0) endBlock(plan, row, start, end - 1);
  }
  if (counts.chunks > 0) closeChunk(plan, row);
  plan.mostSlots = max(plan.mostSlots, counts.slots);
  plan.mostBlocks = max(plan.mostBlocks, counts.blocks);
}

/** Sees to it that a block of so many slots lies in one chunk. */
function makeRoom(plan: Plan, row: u32, length: u32): void {
  const counts = countsOf(plan, row);
  if (counts.chunks > 0) {
    const last = chunkAt(plan, row, counts.chunks - 1);
    if (counts.slots - last.start + length <= CHUNK) return;
    closeChunk(plan, row);
  }
  const chunk = chunkAt(plan, row, counts.chunks++);
  chunk.start = counts.slots;
  chunk.firstBlock = counts.blocks;
}

function closeChunk(plan: Plan, row: u32): void {
  const counts = countsOf(plan, row), slots = slotsOf(plan, row);
  const chunk = chunkAt(plan, row, counts.chunks - 1);
  chunk.end = counts.slots;
  chunk.endBlock = counts.blocks;
  plan.widest = max(plan.widest, chunk.end - chunk.start);
  while (counts.slots & 7) store<i32>(slots + (counts.slots++ << 2), -1);
}

/** Later queries see the block if its last key is a landmark that is there. */
function endBlock(plan: Plan, row: u32, start: u32, last: u32): void {
  if (!isLandmark(plan, row, last) || !isPresent(plan, row, last)) return;
  const counts = countsOf(plan, row);
  const block = blockAt(plan, row, counts.blocks++);
  block.start = start;
  block.end = counts.slots;
  block.landmark = last;
}

/** Where the block that begins at a key ends: behind a landmark, or before another document. */
function blockEnd(plan: Plan, row: u32, key: u32, document: i32): u32 {
  for (; key < plan.keys; key++) {
    // Padding is as if it did not exist: what document it claims to be in means nothing.
    if (isPresent(plan, row, key) && documentOf(plan, row, key) != document) break;
    if (isLandmark(plan, row, key)) return key + 1;
  }
  return key;
}

function firstPresent(plan: Plan, row: u32, key: u32): u32 {
  while (key < plan.keys && !isPresent(plan, row, key)) key++;
  return key;
}

function regularKeys(plan: Plan, row: u32, key: u32, end: u32): u32 {
  let count: u32 = 0;
  for (; key < end; key++) {
    if (isPresent(plan, row, key) && !isLandmark(plan, row, key)) count++;
  }
  return count;
}

function isLandmark(plan: Plan, row: u32, key: u32): bool {
  return load<u8>(plan.isLandmark + row * plan.isLandmarkRow + key) != 0;
}

function documentOf(plan: Plan, row: u32, key: u32): i32 {
  return plan.document ? load<i32>(plan.document + row * plan.documentRow + (key << 2)) : 0;
}

function isPresent(plan: Plan, row: u32, key: u32): bool {
  return !plan.present || load<u8>(plan.present + row * plan.presentRow + key) != 0;
}
