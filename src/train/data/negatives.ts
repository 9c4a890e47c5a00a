import type { Negatives } from "../../attention/mechanism.ts";
import type { Random } from "./random.ts";
import type { Rows } from "./rows.ts";
import type { SequenceKind } from "./sequences.ts";

/** How blocks of other sequences are used to make a choice among many blocks hard. */
export interface NegativesOptions {
  /** Most blocks that a step draws from its rows. */
  readonly count: number;
  /** Fewest that a row which sees them at all sees. */
  readonly least: number;
  /** How likely a row sees any, by what it teaches. */
  readonly probability: Readonly<Record<SequenceKind, number>>;
  /**
   * Where in a row their landmarks seem to be: all at the end of the first block, which is where old
   * blocks are when a long text is read; or spread over the row as its own blocks are, seen from its
   * tokens. A model can tell what is always first by its place alone, and then learns nothing.
   */
  readonly places: "first" | "spread";
  /**
   * The share of a step's rows whose pairs all speak of one thing in the same words, so that their
   * blocks are negatives to each other that nothing but a name tells from the right one.
   */
  readonly alike: number;
  /**
   * How many blocks each stands for at most. A step's negatives all stand for the same number, from
   * 1 on, any power of 2 as likely as another: a few are as hard to tell from the right block as all
   * those of a long text are together.
   */
  readonly weight: number;
}

/**
 * Draws the foreign blocks of one step. A block that holds a nameless key is never among them: it
 * would be a second right answer to another row's question. A row never sees a block of its own.
 *
 * @returns `undefined` if no row sees any.
 */
export function drawNegatives(
  { nameless, kinds, rows }: Rows,
  random: Random,
  { count, least, probability, places, weight }: Omit<NegativesOptions, "alike">,
): Negatives | undefined {
  const eligible = Array.from(nameless.keys()).filter((block) => nameless[block] === 0);
  const blocks = Int32Array.from(random.shuffle(eligible).slice(0, count));
  const perRow = kinds.map((kind) =>
    random.chance(probability[kind])
      ? random.between(Math.min(least, blocks.length), blocks.length)
      : 0
  );
  if (perRow.every((number) => number === 0)) return undefined;
  const blocksInRow = nameless.length / rows;
  return {
    blocks,
    index: indexTable(blocks, perRow, blocksInRow),
    places: places === "spread" ? blocks.map(() => placeOf(random, blocksInRow)) : undefined,
    weight: weight ** random.next(),
  };
}

/** A block behind which any of the row's blocks may be the reader's: early ones are so more often. */
function placeOf(random: Random, blocksInRow: number): number {
  const before = random.between(1, blocksInRow);
  return random.between(0, before - 1);
}

/**
 * Which of the drawn blocks each row sees: the first so many, but for those of its own.
 *
 * @param blocks Indices into the blocks of all rows, [N].
 * @param perRow How many, from the front, each row may see, [rows].
 * @param blocksInRow How many blocks a row holds.
 * @returns i32 [rows, N], −1 for none.
 */
export function indexTable(
  blocks: Int32Array,
  perRow: readonly number[],
  blocksInRow: number,
): Int32Array {
  const index = new Int32Array(perRow.length * blocks.length).fill(-1);
  for (const [row, count] of perRow.entries()) {
    for (let n = 0; n < count; n++) {
      if (Math.floor(blocks[n] / blocksInRow) !== row) index[row * blocks.length + n] = n;
    }
  }
  return index;
}
