// block_table: where every stored block is, who needs it, and which block goes when room is short.
//
// A block has a slot. A slot knows the block's number in its text, how many views hold the block
// and how many have it among their last K ones, when it was last read, its tier, and for each of
// its pieces (one of each layer and key/value head) the place in that tier and the pool entry.
//
//   table    i32 [16]           see the offsets below
//   segments i32 [2^14]         addresses of segments of SEGMENT slots
//   slot     i32 [6 + 2·pieces] holders, recent holders, number, stamp, tier, next free slot,
//                               then place and entry of each piece, −1 for none
//   entry    i32 [5]            slot, piece, stamp, previous and next in order of use
//   list     i32 [n]            the slots of one view's blocks, oldest first
//
// Pool entries form a ring through entry 0 … E − 1 and the sentinel E: next of the sentinel is the
// entry used last, previous of it the one to give away.

const PIECES: usize = 0; // L · G
const HEADS: usize = 4; // G
const TOP_BLOCKS: usize = 8; // K
const ENTRIES: usize = 12; // address of the entries
const CAPACITY: usize = 16; // E
const SEGMENTS: usize = 20; // address of the directory
const SLOTS: usize = 24; // how many slots there are
const FREE: usize = 28; // first free slot, −1 for none
const NOW: usize = 32; // stamps what is being read
const MISSING: usize = 36; // how many of `missing` were written by placeBlocks

const HOLDERS: usize = 0;
const RECENT: usize = 4;
const NUMBER: usize = 8;
const STAMP: usize = 12;
const TIER: usize = 16;
const NEXT_FREE: usize = 20;
const PLACE: usize = 24;
const ENTRY: usize = 28;

const SEGMENT: i32 = 256;
const SEGMENT_BITS: i32 = 8;
const ENTRY_SIZE: usize = 20;

@inline
function slotSize(table: usize): usize {
  return PLACE + (<usize> load<i32>(table, PIECES) << 3);
}

@inline
function slotAt(table: usize, slot: i32): usize {
  const directory = <usize> load<u32>(table, SEGMENTS);
  const segment = <usize> load<u32>(directory + (<usize> (slot >> SEGMENT_BITS) << 2));
  return segment + <usize> (slot & (SEGMENT - 1)) * slotSize(table);
}

@inline
function entryAt(table: usize, entry: i32): usize {
  return <usize> load<u32>(table, ENTRIES) + <usize> entry * ENTRY_SIZE;
}

/** An empty table; `entries` has room for capacity + 1 entries, `segments` for the directory. */
export function initTable(
  table: usize,
  pieces: i32,
  heads: i32,
  topBlocks: i32,
  entries: usize,
  capacity: i32,
  segments: usize,
): void {
  store<i32>(table, pieces, PIECES);
  store<i32>(table, heads, HEADS);
  store<i32>(table, topBlocks, TOP_BLOCKS);
  store<u32>(table, <u32> entries, ENTRIES);
  store<i32>(table, capacity, CAPACITY);
  store<u32>(table, <u32> segments, SEGMENTS);
  store<i32>(table, 0, SLOTS);
  store<i32>(table, -1, FREE);
  store<i32>(table, 0, NOW);
  store<i32>(table, 0, MISSING);
  for (let e = 0; e <= capacity; e++) {
    const at = entryAt(table, e);
    store<i32>(at, -1);
    store<i32>(at, -1, 4);
    store<i32>(at, -1, 8);
    store<i32>(at, e == 0 ? capacity : e - 1, 12);
    store<i32>(at, e == capacity ? 0 : e + 1, 16);
  }
}

/** Bytes of a segment of slots. */
export function segmentSize(table: usize): usize {
  return <usize> SEGMENT * slotSize(table);
}

/** Adds a segment of free slots; the lowest of them is taken first. */
export function addSegment(table: usize, segment: usize): void {
  const slots = load<i32>(table, SLOTS);
  const directory = <usize> load<u32>(table, SEGMENTS);
  store<u32>(directory + (<usize> (slots >> SEGMENT_BITS) << 2), <u32> segment);
  store<i32>(table, slots + SEGMENT, SLOTS);
  for (let slot = slots + SEGMENT - 1; slot >= slots; slot--) freeSlot(table, slot);
}

function freeSlot(table: usize, slot: i32): void {
  const at = slotAt(table, slot);
  store<i32>(at, -1, NUMBER);
  store<i32>(at, load<i32>(table, FREE), NEXT_FREE);
  store<i32>(table, slot, FREE);
}

/** A slot for a block, held by no one; −1 if a segment must be added first. */
export function takeSlot(table: usize, number: i32): i32 {
  const slot = load<i32>(table, FREE);
  if (slot < 0) return -1;
  const at = slotAt(table, slot);
  store<i32>(table, load<i32>(at, NEXT_FREE), FREE);
  store<i32>(at, 0, HOLDERS);
  store<i32>(at, 0, RECENT);
  store<i32>(at, number, NUMBER);
  store<i32>(at, load<i32>(table, NOW), STAMP);
  store<i32>(at, -1, TIER);
  const pieces = load<i32>(table, PIECES);
  for (let piece = 0; piece < pieces; piece++) {
    store<i32>(at + (<usize> piece << 3), -1, PLACE);
    store<i32>(at + (<usize> piece << 3), -1, ENTRY);
  }
  return slot;
}

/** Gives a slot back; what the pool holds of its block is forgotten. */
export function releaseSlot(table: usize, slot: i32): void {
  const pieces = load<i32>(table, PIECES);
  for (let piece = 0; piece < pieces; piece++) forgetPiece(table, slot, piece);
  freeSlot(table, slot);
}

/** The piece's pool entry, if it has one, is the next to be given away. */
export function forgetPiece(table: usize, slot: i32, piece: i32): void {
  const place = slotAt(table, slot) + (<usize> piece << 3);
  const entry = load<i32>(place, ENTRY);
  if (entry < 0) return;
  store<i32>(place, -1, ENTRY);
  const at = entryAt(table, entry);
  store<i32>(at, -1);
  store<i32>(at, -1, 8);
  unlink(table, at);
  const sentinel = load<i32>(table, CAPACITY);
  linkAfter(table, entry, load<i32>(entryAt(table, sentinel), 12));
}

/** How many slots there are, free ones included. */
export function slotCount(table: usize): i32 {
  return load<i32>(table, SLOTS);
}

/** A block's number in its text. */
export function blockNumber(table: usize, slot: i32): i32 {
  return load<i32>(slotAt(table, slot), NUMBER);
}

/** How many views hold the block. */
export function blockHolders(table: usize, slot: i32): i32 {
  return load<i32>(slotAt(table, slot), HOLDERS);
}

/** How many views have the block among their last K ones. */
export function recentHolders(table: usize, slot: i32): i32 {
  return load<i32>(slotAt(table, slot), RECENT);
}

export function tierOf(table: usize, slot: i32): i32 {
  return load<i32>(slotAt(table, slot), TIER);
}

export function setTier(table: usize, slot: i32, tier: i32): void {
  store<i32>(slotAt(table, slot), tier, TIER);
}

export function placeOf(table: usize, slot: i32, piece: i32): i32 {
  return load<i32>(slotAt(table, slot) + (<usize> piece << 3), PLACE);
}

export function setPlace(table: usize, slot: i32, piece: i32, place: i32): void {
  store<i32>(slotAt(table, slot) + (<usize> piece << 3), place, PLACE);
}

/**
 * A view's list [n] has got a new last block, which is written already: it counts as held and
 * recent. Returns the slot that is among nobody's last K any more, or −1.
 */
export function holdLast(table: usize, list: usize, n: i32): i32 {
  const at = slotAt(table, load<i32>(list + (<usize> (n - 1) << 2)));
  store<i32>(at, load<i32>(at, HOLDERS) + 1, HOLDERS);
  store<i32>(at, load<i32>(at, RECENT) + 1, RECENT);
  const old = n - 1 - load<i32>(table, TOP_BLOCKS);
  if (old < 0) return -1;
  const slot = load<i32>(list + (<usize> old << 2));
  return addRecent(table, slot, -1) == 0 ? slot : -1;
}

function addRecent(table: usize, slot: i32, count: i32): i32 {
  const at = slotAt(table, slot);
  const recent = load<i32>(at, RECENT) + count;
  store<i32>(at, recent, RECENT);
  return recent;
}

/** Adds `count` (1 or −1) holders to all blocks of a list [n], and recent ones to its last K. */
export function holdAll(table: usize, list: usize, n: i32, count: i32): void {
  const recent = n - load<i32>(table, TOP_BLOCKS);
  for (let j = 0; j < n; j++) {
    const at = slotAt(table, load<i32>(list + (<usize> j << 2)));
    store<i32>(at, load<i32>(at, HOLDERS) + count, HOLDERS);
    if (j >= recent) store<i32>(at, load<i32>(at, RECENT) + count, RECENT);
  }
}

/** Takes a slot out of a list [n] and stops holding it; returns its index, or −1. */
export function dropFromList(table: usize, list: usize, n: i32, slot: i32): i32 {
  let j = 0;
  while (j < n && load<i32>(list + (<usize> j << 2)) != slot) j++;
  if (j == n) return -1;
  const at = slotAt(table, slot);
  store<i32>(at, load<i32>(at, HOLDERS) - 1, HOLDERS);
  const recent = n - load<i32>(table, TOP_BLOCKS);
  if (j >= recent) {
    addRecent(table, slot, -1);
    // The block before the last K is one of them now.
    if (recent > 0) addRecent(table, load<i32>(list + (<usize> (recent - 1) << 2)), 1);
  }
  const from = list + (<usize> j << 2);
  memory.copy(from, from + 4, <usize> (n - 1 - j) << 2);
  return j;
}

/**
 * The block of a tier that goes first: the oldest, or the least recently read (the oldest of
 * those); one that is among somebody's last K only if there is no other. −1 if the tier is empty.
 */
export function chooseVictim(table: usize, tier: i32, byUse: i32): i32 {
  const slots = load<i32>(table, SLOTS);
  const now = load<i32>(table, NOW);
  let victim = -1;
  let best = -1;
  let number = 0;
  for (let slot = 0; slot < slots; slot++) {
    const at = slotAt(table, slot);
    const own = load<i32>(at, NUMBER);
    if (own < 0 || load<i32>(at, TIER) != tier) continue;
    // Larger is worse off: not recent, then long unread (in steps of 4), then old.
    let rank = byUse ? (now - load<i32>(at, STAMP)) >>> 2 : 0;
    if (load<i32>(at, RECENT) == 0) rank |= 1 << 30;
    if (victim < 0 || rank > best || (rank == best && own < number)) {
      victim = slot;
      best = rank;
      number = own;
    }
  }
  return victim;
}

/** Blocks that are placed from here on stay in the pool until the next call. */
export function beginReading(table: usize): void {
  store<i32>(table, load<i32>(table, NOW) + 1, NOW);
}

function unlink(table: usize, at: usize): void {
  const previous = load<i32>(at, 12);
  const next = load<i32>(at, 16);
  store<i32>(entryAt(table, previous), next, 16);
  store<i32>(entryAt(table, next), previous, 12);
}

function linkAfter(table: usize, entry: i32, previous: i32): void {
  const before = entryAt(table, previous);
  const next = load<i32>(before, 16);
  const at = entryAt(table, entry);
  store<i32>(at, previous, 12);
  store<i32>(at, next, 16);
  store<i32>(before, entry, 16);
  store<i32>(entryAt(table, next), entry, 12);
}

/** The entry that a piece has, or gets now; −1 if all entries are being read. */
function placePiece(table: usize, slot: i32, piece: i32, missing: usize): i32 {
  const place = slotAt(table, slot) + (<usize> piece << 3);
  const sentinel = load<i32>(table, CAPACITY);
  const now = load<i32>(table, NOW);
  let entry = load<i32>(place, ENTRY);
  if (entry < 0) {
    entry = load<i32>(entryAt(table, sentinel), 12);
    const old = entryAt(table, entry);
    if (load<i32>(old, 8) == now) return -1;
    const oldSlot = load<i32>(old);
    if (oldSlot >= 0) {
      const oldPlace = slotAt(table, oldSlot) + (<usize> load<i32>(old, 4) << 3);
      store<i32>(oldPlace, -1, ENTRY);
    }
    store<i32>(old, slot);
    store<i32>(old, piece, 4);
    store<i32>(place, entry, ENTRY);
    const count = load<i32>(table, MISSING);
    const at = missing + <usize> count * 12;
    store<i32>(at, slot);
    store<i32>(at, piece, 4);
    store<i32>(at, entry, 8);
    store<i32>(table, count + 1, MISSING);
  }
  const at = entryAt(table, entry);
  if (load<i32>(at, 8) != now) {
    store<i32>(at, now, 8);
    unlink(table, at);
    linkAfter(table, entry, sentinel);
  }
  return entry;
}

/**
 * Where rows first … rows − 1 of a choice are to be read: pool entries and slots [·, H, k], from
 * row `first` on. `chosen` i32 [rows, chosenHeads, k] are places in `list` [n]; 0 stands for the
 * last k. The pieces that must be loaded go to `missing` i32 [E, 3]: slot, piece, entry.
 * Returns how many rows were placed before the pool was full of what is being read.
 */
export function placeBlocks(
  table: usize,
  list: usize,
  n: i32,
  chosen: usize,
  chosenHeads: i32,
  first: i32,
  rows: i32,
  heads: i32,
  k: i32,
  layer: i32,
  entries: usize,
  slots: usize,
  missing: usize,
): i32 {
  const kvHeads = load<i32>(table, HEADS);
  const shared = heads / kvHeads;
  const now = load<i32>(table, NOW);
  const offset = load<i32>(table, TOP_BLOCKS) - k;
  store<i32>(table, 0, MISSING);
  let out: usize = 0;
  for (let row = first; row < rows; row++) {
    for (let h = 0; h < heads; h++) {
      const piece = layer * kvHeads + h / shared;
      const from = row * chosenHeads + (chosenHeads > 1 ? h : 0);
      for (let r = 0; r < k; r++) {
        const j = chosen ? load<i32>(chosen + (<usize> (from * k + r) << 2)) : n - k + r;
        const slot = load<i32>(list + (<usize> j << 2));
        const entry = placePiece(table, slot, piece, missing);
        if (entry < 0) return row - first;
        store<i32>(slotAt(table, slot), now, STAMP);
        store<i32>(entries + out, entry);
        store<i32>(slots + out, r + offset + (j >= n - k ? 1 : 0));
        out += 4;
      }
    }
  }
  return rows - first;
}

/** How many pieces the last placeBlocks left to load. */
export function missingCount(table: usize): i32 {
  return load<i32>(table, MISSING);
}
