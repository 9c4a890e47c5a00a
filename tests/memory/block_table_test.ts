import { deepEqual, equal } from "node:assert/strict";
import {
  type BlockList,
  type BlockTable,
  type ChosenRows,
  openBookkeeping,
} from "../../src/device/bookkeeping.ts";
import { randomFrom } from "../random.ts";

const bookkeeping = await openBookkeeping();

/** Two layers of two key/value heads, K = 2, four query heads. */
function table(entries: number): BlockTable {
  return bookkeeping.table({ pieces: 4, kvHeads: 2, topBlocks: 2, entries });
}

function append(table: BlockTable, list: BlockList, numbers: readonly number[]): number[] {
  return numbers.map((number) => {
    const slot = table.take(number);
    table.setTier(slot, 0);
    list.append(slot);
    return slot;
  });
}

const last = (k: number): ChosenRows => ({
  chosen: undefined,
  rows: 1,
  chosenHeads: 1,
  heads: 4,
  k,
});

Deno.test("find() gives the last blocks slots behind the empty one", () => {
  using blocks = table(16);
  using list = blocks.list();
  append(blocks, list, [0]);
  // One block of K = 2: r + (K − n) + 1.
  deepEqual([...blocks.find(list, 0, last(1), 0).slots], [2, 2, 2, 2]);
  append(blocks, list, [1, 2]);
  deepEqual([...blocks.find(list, 0, last(2), 0).slots], [1, 2, 1, 2, 1, 2, 1, 2]);
});

Deno.test("find() gives old blocks the slots from 0 on, by time", () => {
  using blocks = table(16);
  using list = blocks.list();
  append(blocks, list, [0, 1, 2, 3, 4]);
  const chosen = Int32Array.of(0, 1, 0, 3, 2, 4, 3, 4);
  const { slots, rows } = blocks.find(
    list,
    1,
    { chosen, rows: 1, chosenHeads: 4, heads: 4, k: 2 },
    0,
  );
  equal(rows, 1);
  deepEqual([...slots], [0, 1, 0, 2, 0, 2, 1, 2]);
});

Deno.test("find() shares one set among heads, and entries among the heads of a group", () => {
  using blocks = table(16);
  using list = blocks.list();
  const slots = append(blocks, list, [0, 1, 2, 3]);
  const chosen = Int32Array.of(1, 3);
  const { entries, missing } = blocks.find(
    list,
    1,
    { chosen, rows: 1, chosenHeads: 1, heads: 4, k: 2 },
    0,
  );
  deepEqual(missing.map(({ slot, piece }) => [slot, piece]), [
    [slots[1], 2],
    [slots[3], 2],
    [slots[1], 3],
    [slots[3], 3],
  ]);
  deepEqual(entries.slice(0, 2), entries.slice(2, 4));
  equal(new Set(entries).size, 4);
  equal(blocks.find(list, 1, last(2), 0).missing.length, 2, "block 2 only");
});

Deno.test("find() stops when the pool is full of what is being read, and goes on from there", () => {
  using blocks = table(8);
  using list = blocks.list();
  append(blocks, list, [0, 1, 2, 3, 4, 5]);
  // Three tokens of 2 blocks, for 2 key/value heads: 4 pieces each.
  const one = (a: number, b: number): number[] => [a, b, a, b, a, b, a, b];
  const chosen = Int32Array.of(...one(0, 1), ...one(2, 3), ...one(4, 5));
  const rows: ChosenRows = { chosen, rows: 3, chosenHeads: 4, heads: 4, k: 2 };
  const first = blocks.find(list, 0, rows, 0);
  equal(first.rows, 2);
  equal(first.missing.length, 8);
  const second = blocks.find(list, 0, rows, 2);
  equal(second.rows, 1);
  equal(second.missing.length, 4);
  // The pieces used longest ago made room: the first token's are gone, the second's are here.
  equal(
    blocks.find(list, 0, { ...rows, chosen: Int32Array.of(...one(2, 3)), rows: 1 }, 0).missing
      .length,
    0,
  );
  equal(
    blocks.find(list, 0, { ...rows, chosen: Int32Array.of(...one(0, 1)), rows: 1 }, 0).missing
      .length,
    4,
  );
});

Deno.test("victim() is the oldest block, or the one read longest ago, the last K ones excepted", () => {
  using blocks = table(16);
  using list = blocks.list();
  const slots = append(blocks, list, [0, 1, 2, 3, 4]);
  const read = (place: number): void => {
    const chosen = Int32Array.of(place, place, place, place);
    // Stamps are told apart in steps of four.
    for (let i = 0; i < 4; i++) {
      blocks.find(list, 0, { chosen, rows: 1, chosenHeads: 4, heads: 4, k: 1 }, 0);
    }
  };
  for (const place of [2, 0, 1]) read(place);
  equal(blocks.victim(0, "oldest"), slots[0]);
  equal(blocks.victim(0, "leastRecentlyRead"), slots[2]);
  equal(blocks.victim(1, "oldest"), undefined, "no block is in that tier");
  for (const slot of slots.slice(0, 3)) blocks.setTier(slot, 1);
  equal(blocks.victim(0, "leastRecentlyRead"), slots[3], "a recent one if there is no other");
});

Deno.test("lists count who holds a block, and who has it among the last K", () => {
  using blocks = table(16);
  const list = blocks.list();
  const slots = append(blocks, list, [0, 1, 2]);
  const counts = () => slots.map((slot) => [blocks.holders(slot), blocks.recentHolders(slot)]);
  deepEqual(counts(), [[1, 0], [1, 1], [1, 1]]);
  const fork = list.fork();
  deepEqual(counts(), [[2, 0], [2, 2], [2, 2]]);
  equal(append(blocks, fork, [3]).length, 1);
  deepEqual(counts(), [[2, 0], [2, 1], [2, 2]]);
  equal(list.remove(slots[1]), true);
  equal(list.remove(slots[1]), false);
  // Block 0 is among the last two of the first list now.
  deepEqual(counts(), [[2, 1], [1, 0], [2, 2]]);
  deepEqual([...list.slots()], [slots[0], slots[2]]);
  fork[Symbol.dispose]();
  list[Symbol.dispose]();
  deepEqual(counts(), [[0, 0], [0, 0], [0, 0]]);
});

Deno.test("a released slot is taken again, and the pool has forgotten its block", () => {
  using blocks = table(16);
  using list = blocks.list();
  const [slot] = append(blocks, list, [0]);
  equal(blocks.find(list, 0, last(1), 0).missing.length, 2);
  equal(blocks.find(list, 0, last(1), 0).missing.length, 0);
  list.remove(slot);
  blocks.release(slot);
  deepEqual(append(blocks, list, [7]), [slot]);
  equal(blocks.number(slot), 7);
  equal(blocks.find(list, 0, last(1), 0).missing.length, 2);
});

Deno.test("the table follows a model of itself through random changes", () => {
  const random = randomFrom(5);
  using blocks = table(12);
  using list = blocks.list();
  let model: { slot: number; number: number }[] = [];
  const inPool = new Map<string, number>();
  for (let turn = 0; turn < 3000; turn++) {
    const what = random.uniform();
    if (what < 0.3 || model.length < 2) {
      const [slot] = append(blocks, list, [turn]);
      model.push({ slot, number: turn });
    } else if (what < 0.4) {
      const { slot } = model[random.integer(0, model.length - 1)];
      list.remove(slot);
      blocks.release(slot);
      model = model.filter((each) => each.slot !== slot);
      for (const key of inPool.keys()) if (key.startsWith(`${slot}.`)) inPool.delete(key);
    } else {
      const places = [...random.integers(2, 0, model.length - 1)].sort((a, b) => a - b);
      const chosen = Int32Array.from(Array(4).fill(places).flat());
      const layer = random.integer(0, 1);
      const rows = { chosen, rows: 1, chosenHeads: 4, heads: 4, k: 2 };
      const found = blocks.find(list, layer, rows, 0);
      for (const { slot, piece, entry } of found.missing) {
        for (const [key, other] of inPool) if (other === entry) inPool.delete(key);
        inPool.set(`${slot}.${piece}`, entry);
      }
      const expected = [0, 0, 1, 1].flatMap((g) =>
        places.map((place) => inPool.get(`${model[place].slot}.${layer * 2 + g}`))
      );
      deepEqual([...found.entries], expected, `seed ${random.seed}, turn ${turn}`);
    }
    deepEqual([...list.slots()], model.map(({ slot }) => slot));
    deepEqual(model.map(({ slot }) => blocks.number(slot)), model.map(({ number }) => number));
  }
});
