import type { BlocksRead } from "../attention/mechanism.ts";
import type { ChosenRows } from "../device/bookkeeping.ts";
import type { Blocks, Chosen, Granularity, Tensor } from "../device/device.ts";
import type { BlockView } from "./block_view.ts";
import type { BlockChoice } from "./options.ts";

/** Scores computed at once: 16 MiB, so that a long memory asks for no more than a short one. */
const SCORES = 2 ** 22;

/** The tokens of a step in one layer, and the section they stand in. */
export interface Looking {
  readonly layer: number;
  readonly choice: BlockChoice;
  /** f32 [T, K + 1, H, D]: the queries as seen from each slot. */
  readonly queries: Tensor;
  /** f32 [T, H, D], and where the results go. */
  readonly q: Tensor;
  readonly out: Tensor;
  /** f32 [chunk, G, D]: the section, of which the tokens follow the first `at`. */
  readonly k: Tensor;
  readonly v: Tensor;
  readonly at: number;
  /** The plan of the section's first keys. */
  blocks(keys: number): Blocks;
}

/** Where the time goes. */
export interface ReadClock {
  scanMs: number;
  readMs: number;
}

/**
 * Chooses stored blocks, brings them to the device, and attends to them and the section. With
 * `trace` it says which ones.
 */
export async function readBlocks(
  view: BlockView,
  looking: Looking,
  { clock, trace }: { clock: ReadClock; trace: boolean },
): Promise<BlocksRead | undefined> {
  const { layer, choice, q: { shape: [T, heads] } } = looking;
  const { plan } = view.store;
  const n = view.list.length;
  const k = Math.min(plan.topBlocks, n);
  const read: ChosenRows[] = [];
  if (choice === "recent" || !plan.isLong[layer] || k === n) {
    const last = { chosen: undefined, rows: 1, chosenHeads: 1, heads, k };
    read.push(last);
    await attendTo(view, looking, last, 0, T, clock);
  } else {
    // One set for all tokens needs the scores of all of them at once.
    const rows = choice === "chunk" ? T : Math.max(1, Math.floor(SCORES / (heads * n)));
    for (let first = 0; first < T; first += rows) {
      const count = Math.min(rows, T - first);
      const chosen = await choose(view, looking, choice, first, count, k, clock);
      read.push(chosen);
      await attendTo(view, looking, chosen, first, count, clock);
    }
  }
  return trace ? numbersOf(view, layer, read) : undefined;
}

/** Scores every landmark and takes the best blocks, for tokens first … first + count − 1. */
async function choose(
  view: BlockView,
  { layer, queries, q: { shape: [, heads] } }: Looking,
  by: Granularity,
  first: number,
  count: number,
  k: number,
  clock: ReadClock,
): Promise<ChosenRows> {
  const started = performance.now();
  const { device, landmarks } = view.store;
  const rows = by === "chunk" ? 1 : count;
  const chosenHeads = by === "heads" ? 1 : heads;
  using scores = device.tensor([count, heads, view.list.length]);
  using chosen = device.tensor([rows, chosenHeads, k], { dtype: "i32" });
  const asked = device.view(queries, first, count);
  device.landmarkScores(asked, landmarks.segments(layer), view.order(), scores);
  device.chooseBlocks(scores, chosen, { by });
  const numbers = await device.read(chosen) as Int32Array;
  clock.scanMs += performance.now() - started;
  return { chosen: numbers, rows, chosenHeads, heads, k };
}

/** Attends, in as many passes as the pool needs to hold what the tokens chose. */
async function attendTo(
  view: BlockView,
  looking: Looking,
  chosen: ChosenRows,
  first: number,
  count: number,
  clock: ReadClock,
): Promise<void> {
  for (let row = 0; row < chosen.rows;) {
    const started = performance.now();
    using ready = await view.store.pool.ready(view.list, looking.layer, chosen, row);
    clock.readMs += performance.now() - started;
    const [from, tokens] = chosen.rows === 1 ? [first, count] : [first + row, ready.rows];
    attend(view, looking, from, tokens, ready.chosen);
    row += ready.rows;
  }
}

/** Attends from tokens first … first + count − 1 to the section, and to blocks if any are chosen. */
export function attend(
  { store: { device } }: Pick<BlockView, "store">,
  { queries, q, k, v, at, out, blocks }: Looking,
  first: number,
  count: number,
  chosen: Chosen | undefined,
): void {
  const keys = at + first + count;
  const part = (x: Tensor): Tensor => device.view(x, first, count);
  device.memoryAttention(
    part(queries),
    part(q),
    device.view(k, 0, keys),
    device.view(v, 0, keys),
    blocks(keys),
    chosen,
    part(out),
  );
}

/** What was read, by the blocks' numbers in the text. */
function numbersOf(view: BlockView, layer: number, read: readonly ChosenRows[]): BlocksRead {
  const { list, store: { table } } = view;
  const { k, chosenHeads: heads } = read[0];
  const places = read.flatMap(({ chosen }) =>
    chosen ? [...chosen] : Array.from({ length: k }, (_, r) => list.length - k + r)
  );
  const rows = read.reduce((sum, part) => sum + part.rows, 0);
  const numbers = Int32Array.from(places, (place) => table.number(list.at(place)));
  return { layer, rows, heads, k, numbers };
}
