/** What attention over a window is tried on: any window, cache, heads, and positions. */

import type { RelativePositions, WindowOptions } from "../../src/device/device.ts";
import { randomFrom } from "../random.ts";
import type { Stage } from "../stage.ts";

/** A case; what is left out has the value of {@linkcode DEFAULTS}. */
export interface WindowCase {
  name: string;
  B: number;
  T: number;
  S: number;
  H: number;
  G: number;
  D: number;
  /** Rows of distances, where positions are relative. */
  P?: number;
  window?: number;
  absent?: number;
  scale?: number;
  /** How much larger than usual queries are: a sharp softmax. */
  sharpness: number;
}

const DEFAULTS = { B: 1, H: 2, G: 1, D: 16, sharpness: 1 };

function make(name: string, given: Partial<WindowCase> & { S: number }): WindowCase {
  const all = { ...DEFAULTS, T: given.S, ...given };
  const { sharpness: _, ...shown } = all;
  return { ...all, name: `${name} ${JSON.stringify(shown)}` };
}

/** The same without positions and with them. */
function both(name: string, given: Partial<WindowCase> & { S: number }): WindowCase[] {
  return [make(name, given), make(`${name}, relative`, { P: given.S, ...given })];
}

const LENGTHS = [1, 2, 5, 6, 7, 8, 9, 47, 48, 49, 63, 64, 65, 129];
const QUERIES = [1, 2, 8, 9, 48, 49, 64, 65, 99];
const WINDOWS = [1, 2, 7, 8, 9, 31, 48, 64, 65, 99, 100, 1000];
const ABSENT = [1, 7, 8, 59, 60, 61, 64, 99, 100];
const REACHES = [1, 2, 7, 8, 9, 40, 63, 64, 65, 100, 130];
// A GPU compiles its kernels anew for each width: there are few.
const WIDTHS = [5, 24, 40, 64, 130];
const HEADS = [[1, 1], [3, 3], [4, 1], [6, 2]] as const;

/** Every case. */
export const WINDOW_CASES: readonly WindowCase[] = [
  ...LENGTHS.flatMap((S) => both("length", { S })),
  ...QUERIES.flatMap((T) => both("the last queries", { T, S: 100 })),
  ...WINDOWS.flatMap((window) => both("window", { S: 100, T: 70, window })),
  ...ABSENT.flatMap((absent) => both("absent", { S: 100, T: 40, absent, window: 60 })),
  ...REACHES.map((P) => make("reach", { S: 100, T: 70, P })),
  ...REACHES.map((P) => make("reach and a window", { S: 100, T: 70, P, window: 64 })),
  ...WIDTHS.flatMap((D) => both("width", { S: 50, T: 20, H: 2, G: 2, D })),
  ...[1, 2, 128].map((D) => make("width", { S: 50, T: 20, D })),
  ...HEADS.flatMap(([H, G]) => both("heads", { B: 2, S: 60, T: 31, H, G, P: 20 })),
  ...both("sharp", { S: 130, D: 64, sharpness: 8, window: 100 }),
  ...both("much work", { B: 2, S: 300, T: 260, H: 4, G: 2, D: 64, window: 200 }),
  ...both("a scale", { S: 40, scale: 0.9 }),
  ...Array.from({ length: 30 }, (_, seed) => anything(seed)),
];

/** A case from a seed. */
function anything(seed: number): WindowCase {
  const random = randomFrom(seed);
  const chance = () => random.uniform() < 0.5;
  const S = random.integer(1, 150);
  const G = random.integer(1, 3);
  return make(`seed ${seed}`, {
    B: random.integer(1, 3),
    S,
    T: chance() ? S : random.integer(1, S),
    G,
    H: G * random.integer(1, 3),
    D: [5, 16, 24, 40][random.integer(0, 3)],
    sharpness: random.integer(1, 4),
    ...chance() && { P: random.integer(1, S) },
    ...chance() && { window: random.integer(1, S) },
    ...chance() && { absent: random.integer(0, S) },
  });
}

/** The inputs and options of a case on a stage. */
export function windowInputs(
  { B, T, S, H, G, D, P, sharpness, ...given }: WindowCase,
  { random, input }: Stage,
) {
  const { window, absent, scale } = given;
  const q = input([B, T, H, D], random.normal(B * T * H * D, sharpness));
  const relative: RelativePositions | undefined = P === undefined ? undefined : {
    distances: input([P, H, D]),
    contentBias: input([H, D]),
    positionBias: input([H, D]),
  };
  const options: WindowOptions = { window, absent, scale, relative };
  return { q, k: input([B, S, G, D]), v: input([B, S, G, D]), relative, options };
}
