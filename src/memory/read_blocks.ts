import type { Blocks, Chosen, Granularity, Tensor } from "../device/device.ts";
import type { BlockChoices } from "./block_pool.ts";
import type { BlockView } from "./block_view.ts";
import type { BlockChoice } from "./options.ts";
import type { ReadTogether } from "./read_together.ts";

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

/** Which blocks a step read in one layer, by their numbers in the text. */
export interface BlocksRead {
  /** Which layer read. */
  readonly layer: number;
  /** T, or 1 where all tokens read the same. */
  readonly rows: number;
  /** H, or 1 where all heads read the same. */
  readonly heads: number;
  /** Blocks for each of them. */
  readonly k: number;
  /** i32 [rows, heads, k], by time. */
  readonly numbers: Int32Array;
}

/** Where the time goes. */
export interface ReadClock {
  scanMs: number;
  readMs: number;
}

/**
 * Chooses stored blocks, brings them to the device, and attends to them and the section. With
 * `trace` it says which ones, when that is read.
 */
export async function readBlocks(
  view: BlockView,
  looking: Looking,
  { clock, trace }: { clock: ReadClock; trace: ReadTogether | undefined },
): Promise<{ readonly blocks: Promise<BlocksRead> } | undefined> {
  const { layer, choice, q: { shape: [T, heads] } } = looking;
  const { plan } = view.store;
  const n = view.list.length;
  const k = Math.min(plan.topBlocks, n);
  const read: BlockChoices[] = [];
  if (choice === "recent" || !plan.isLong[layer] || k === n) {
    const last = { chosen: undefined, rows: 1, chosenHeads: 1, heads, k };
    read.push({ ...last, numbers: () => Promise.resolve(undefined) });
    await attendTo(view, looking, read[0], 0, T, clock);
  } else {
    // One set for all tokens needs the scores of all of them at once.
    const rows = choice === "chunk" ? T : Math.max(1, Math.floor(SCORES / (heads * n)));
    for (let first = 0; first < T; first += rows) {
      const count = Math.min(rows, T - first);
      using chosen = choose(view, looking, choice, first, count, k, clock);
      read.push(chosen);
      await attendTo(view, looking, chosen, first, count, clock);
      if (trace) chosen.readLater(trace);
    }
  }
  return trace ? { blocks: numbersOf(view, layer, read) } : undefined;
}

/** A choice, freed at the end of its scope. */
interface Choices extends BlockChoices, Disposable {
  /** Its numbers, unless they are known, come with those of others. */
  readLater(trace: ReadTogether): void;
}

/** Scores every landmark and takes the best blocks, for tokens first … first + count − 1. */
function choose(
  view: BlockView,
  { layer, queries, q: { shape: [, heads] } }: Looking,
  by: Granularity,
  first: number,
  count: number,
  k: number,
  clock: ReadClock,
): Choices {
  const started = performance.now();
  const { device, landmarks } = view.store;
  const rows = by === "chunk" ? 1 : count;
  const chosenHeads = by === "heads" ? 1 : heads;
  using scores = device.tensor([count, heads, view.list.length], { zero: false });
  const chosen = device.tensor([rows, chosenHeads, k], { dtype: "i32", zero: false });
  const asked = device.view(queries, first, count);
  device.landmarkScores(asked, landmarks.segments(layer), view.order(), scores);
  device.chooseBlocks(scores, chosen, { by });
  clock.scanMs += performance.now() - started;
  let numbers: Promise<Int32Array> | undefined;
  let isMine = true;
  return {
    ...{ chosen, rows, chosenHeads, heads, k },
    numbers: () => numbers ??= device.read(chosen) as Promise<Int32Array>,
    readLater(trace) {
      if (numbers) return;
      numbers = trace.add(chosen);
      isMine = false;
    },
    [Symbol.dispose]: () => isMine && chosen[Symbol.dispose](),
  };
}

/** Attends, in as many passes as the pool needs to hold what the tokens chose. */
async function attendTo(
  view: BlockView,
  looking: Looking,
  chosen: BlockChoices,
  first: number,
  count: number,
  clock: ReadClock,
): Promise<void> {
  for (let row = 0; row < chosen.rows;) {
    const started = performance.now();
    using ready = await view.store.pool.ready(view, looking.layer, chosen, row);
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
async function numbersOf(
  view: BlockView,
  layer: number,
  read: readonly BlockChoices[],
): Promise<BlocksRead> {
  const { k, chosenHeads: heads } = read[0];
  const rows = read.reduce((sum, part) => sum + part.rows, 0);
  // Before waiting: what the places stand for may change.
  const texts = view.numbers();
  const last = Int32Array.from({ length: k }, (_, r) => texts.length - k + r);
  const parts = await Promise.all(read.map(({ numbers }) => numbers()));
  const places = parts.flatMap((chosen) => [...chosen ?? last]);
  return { layer, rows, heads, k, numbers: Int32Array.from(places, (place) => texts[place]) };
}
