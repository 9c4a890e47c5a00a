/** What landmark attention is tried on: any plan, any heads, any numbers of queries and keys. */

import type { BlockPlan, Foreign } from "../../src/device/device.ts";
import { absent, documentsOf, landmarksAt, randomPlan, regular } from "../plans.ts";
import { randomFrom } from "../random.ts";
import type { Stage } from "../stage.ts";

/** A case; what is left out has the value of {@linkcode DEFAULTS}. */
export interface LandmarkCase {
  name: string;
  B: number;
  /** S when left out. */
  T: number;
  S: number;
  H: number;
  G: number;
  D: number;
  plan: BlockPlan;
  scale?: number;
  /** How much larger than usual queries are: a sharp softmax. */
  sharpness: number;
  /** Pool entries by batch row, −1 for none. */
  foreign?: { N: number; lists: readonly (readonly number[])[]; weight?: number };
}

const DEFAULTS = { B: 1, H: 2, G: 1, D: 16, sharpness: 1 };

type Given = Partial<LandmarkCase> & { S: number };

function make(name: string, given: Given): LandmarkCase {
  const plan = regular(given.S, 16);
  const { B, T, S, H, G, D } = { ...DEFAULTS, T: given.S, ...given };
  const title = `${name} ${JSON.stringify({ B, T, S, H, G, D })}`;
  return { ...DEFAULTS, T: given.S, plan, ...given, name: title };
}

const LENGTHS = [1, 2, 5, 6, 7, 8, 9, 10, 11, 14, 49, 50, 51, 63, 64, 65, 101, 129];
const BLOCKS = [2, 3, 7, 8, 9, 16, 49, 50, 51, 63, 64, 65, 96, 100, 128, 192, 200, 256, 300];
const QUERIES = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 49, 50, 51, 63, 64, 65, 99];
const WIDTHS = [1, 2, 4, 5, 8, 24, 40, 64, 128, 130];
const HEADS = [[1, 1], [2, 2], [3, 3], [4, 1], [6, 2], [8, 4]] as const;

/** Every case. */
export const LANDMARK_CASES: readonly LandmarkCase[] = [
  ...LENGTHS.map((S) => make("length", { S })),
  ...BLOCKS.map((M) => make(`blocks of ${M}`, { S: 2 * M + 5, plan: regular(2 * M + 5, M) })),
  ...QUERIES.map((T) => make("the last queries", { T, S: 100 })),
  ...WIDTHS.map((D) => make("width", { S: 50, T: 20, H: 2, G: 2, D })),
  ...HEADS.map(([H, G]) => make("heads", { B: 2, S: 60, H, G })),
  make("no landmark", { S: 70, plan: landmarksAt(70, []) }),
  make("a landmark first and last", { S: 40, plan: landmarksAt(40, [0, 39]) }),
  make("adjacent landmarks", { S: 40, plan: landmarksAt(40, [9, 10, 11, 20, 21, 22]) }),
  make("landmarks only", { S: 20, plan: regular(20, 1) }),
  make("irregular blocks", { S: 120, plan: landmarksAt(120, [3, 4, 17, 60, 61, 100]) }),
  make("blocks by row", { B: 2, S: 40, plan: byRow(regular(40, 8), regular(40, 11)) }),
  make("documents", { S: 90, plan: withDocuments(90, [20, 1, 35, 34]) }),
  make("documents of one key", { S: 12, plan: withDocuments(12, [1, 1, 1, 1, 8]) }),
  make("a gap between the blocks that neighbours see", {
    S: 30,
    plan: { ...landmarksAt(30, [3, 7, 13, 20]), document: documentsOf([12, 18]) },
  }),
  make("documents, last queries", { S: 90, T: 30, plan: withDocuments(90, [50, 20, 20]) }),
  make("padding", {
    B: 4,
    S: 50,
    plan: { ...regular(50, 16), present: absent(50, [[0, 21], [30, 50], [14, 17], [0, 50]]) },
  }),
  make("sharp", { S: 130, D: 64, sharpness: 8, plan: regular(130, 64) }),
  make("blocks that end within a tile", { S: 460, T: 140, D: 64, plan: regular(460, 100) }),
  make("much work", { B: 2, S: 260, H: 4, G: 2, D: 64, plan: regular(260, 64) }),
  ...longBlocks(),
  make("a scale", { S: 40, scale: 0.9 }),
  make("foreign blocks", {
    B: 3,
    S: 40,
    H: 4,
    G: 2,
    foreign: { N: 5, lists: [[0, 4, 2, -1], [-1, -1, -1, -1], [3, -1, -1, 1]] },
  }),
  make("a foreign block for a first landmark", {
    S: 9,
    plan: landmarksAt(9, [0, 5]),
    foreign: { N: 1, lists: [[0]] },
  }),
  make("foreign blocks that stand for many", {
    B: 2,
    S: 40,
    H: 4,
    G: 2,
    foreign: { N: 5, lists: [[0, 4, 2], [3, -1, 1]], weight: 40 },
  }),
  make("many foreign blocks", {
    B: 2,
    S: 20,
    foreign: {
      N: 150,
      lists: [0, 50].map((from) => Array.from({ length: 100 }, (_, i) => from + i)),
    },
  }),
  ...Array.from({ length: 40 }, (_, seed) => anything(seed)),
];

/** Blocks longer than a tile of 64 keys that end with one, and are walked through tile by tile. */
function longBlocks(): LandmarkCase[] {
  const among = { H: 4, G: 2, plan: regular(460, 128) };
  return [
    make("long blocks, many queries", { ...among, B: 2, S: 460, T: 333 }),
    make("long blocks, last queries", { ...among, S: 460, T: 70 }),
    make("long blocks, wide", { S: 330, T: 140, D: 128, plan: regular(330, 128) }),
    make("long blocks, of any width", { S: 330, T: 140, D: 69, plan: regular(330, 128) }),
    make("long blocks, sharp", { S: 270, T: 130, D: 32, sharpness: 8, plan: regular(270, 128) }),
    make("long blocks and a short one", { S: 520, plan: landmarksAt(520, [63, 319, 383, 511]) }),
    make("long blocks in documents", {
      S: 520,
      T: 480,
      plan: {
        ...landmarksAt(520, [127, 255, 383, 447]),
        document: documentsOf([140, 190, 190]),
      },
    }),
    make("long blocks with padding", {
      B: 4,
      S: 330,
      plan: {
        ...regular(330, 128),
        present: absent(330, [[0, 70], [100, 180], [127, 128], [30, 50]]),
      },
    }),
    make("long blocks by row", { B: 2, S: 330, plan: byRow(regular(330, 128), regular(330, 192)) }),
    make("long blocks and foreign ones", {
      S: 330,
      T: 200,
      plan: regular(330, 128),
      foreign: { N: 3, lists: [[2, -1, 0]], weight: 3 },
    }),
  ];
}

function byRow(...plans: readonly BlockPlan[]): BlockPlan {
  return { isLandmark: Uint8Array.from(plans.flatMap(({ isLandmark }) => [...isLandmark])) };
}

function withDocuments(S: number, lengths: readonly number[]): BlockPlan {
  return { ...regular(S, 8), document: documentsOf(lengths) };
}

/** A case from a seed. */
function anything(seed: number): LandmarkCase {
  const random = randomFrom(seed);
  const B = random.integer(1, 3);
  const S = random.integer(1, 90);
  const T = random.uniform() < 0.5 ? S : random.integer(1, S);
  const G = random.integer(1, 3);
  const H = G * random.integer(1, 3);
  const D = [4, 5, 8, 16, 20, 33][random.integer(0, 5)];
  const plan = randomPlan(random, B, S);
  const list = () => Array.from(random.integers(3, -1, 5));
  const weight = random.uniform() < 0.5 ? 1 : 1 + 9 * random.uniform();
  const foreign = { N: 6, lists: Array.from({ length: B }, list), weight };
  const most = { B, T, S, H, G, D, plan, sharpness: random.integer(1, 4) };
  return make(`seed ${seed}`, random.uniform() < 0.5 ? { ...most, foreign } : most);
}

/** The inputs of a case on a stage. */
export function landmarkInputs(
  { B, T, S, H, G, D, plan, sharpness, foreign }: LandmarkCase,
  { device, random, input, indices, use }: Stage,
) {
  const q = input([B, T, H, D], random.normal(B * T * H * D, sharpness));
  const pool = foreign && {
    keys: input([foreign.N, G, D]),
    values: input([foreign.N, G, D]),
    index: indices([B, foreign.lists[0].length], foreign.lists.flat()),
    weight: foreign.weight,
  };
  return {
    q,
    k: input([B, S, G, D]),
    v: input([B, S, G, D]),
    blocks: use(device.blocks(plan, B, S)),
    foreign: pool satisfies Foreign | undefined,
  };
}
