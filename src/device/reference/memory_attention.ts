import { type ReferenceBlocks, sightOf } from "./blocks.ts";
import { groupedSoftmax, type Sight, TOP } from "./grouped_softmax.ts";
import { addWeighted, entriesOf, scoresOf } from "./landmark_attention.ts";
import { type Indices, type Reals, rowAt } from "./tensors.ts";

/** pool [capacity, 2, M, D]; entries and slots [T|1, H, k]. */
export interface ChosenBlocks {
  readonly pool: Reals;
  readonly entries: Indices;
  readonly slots: Indices;
}

/** Keys and values [E, D], and the query [D] that meets them. */
interface Part {
  readonly query: Float64Array;
  readonly keys: Float64Array;
  readonly values: Float64Array;
}

/**
 * queries [T, Z, H, D], q and out [T, H, D], k and v [S, G, D]: every query sees its section as in
 * {@linkcode landmarkAttention}, and each chosen block as one more earlier block, whose keys meet
 * the query as it is seen from the block's slot.
 */
export function memoryAttention(
  queries: Reals,
  q: Reals,
  k: Reals,
  v: Reals,
  blocks: ReferenceBlocks,
  chosen: ChosenBlocks | undefined,
  out: Reals,
  { scale }: { scale: number },
): void {
  const [T, H, D] = q.shape;
  const [S, G] = k.shape;
  const heads = (x: Reals) => {
    const row = { shape: [1, ...x.shape], data: x.data };
    return Array.from({ length: G }, (_, g) => entriesOf(row, undefined, undefined, 0, g));
  };
  const [keys, values] = [heads(k), heads(v)];
  out.data.fill(0);
  for (let t = 0; t < T; t++) {
    const section = sightOf(blocks, 0, S - T + t);
    const exists = blocks.row[0].present[S - T + t] === 1;
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / G));
      const at = (t * H + h) * D;
      const own = { query: q.data.subarray(at, at + D), keys: keys[g], values: values[g] };
      const remembered = chosen && exists ? chosenParts(chosen, queries, t, h) : [];
      attend([own, ...remembered], section, scale, out.data.subarray(at, at + D));
    }
  }
}

/** out [D] += what one query makes of its section and of remembered blocks. */
function attend(
  parts: readonly Part[],
  section: Sight,
  scale: number,
  out: Float64Array,
): void {
  const D = out.length;
  const sight = parts.slice(1).reduce(
    (seen, { keys }) => withBlock(seen, keys.length / D),
    section,
  );
  const scores = new Float64Array(sight.group.length);
  eachPart((part, from, end) => {
    scores.set(scoresOf(part.query, part.keys, sight.group.subarray(from, end), scale), from);
  });
  const { weight } = groupedSoftmax(scores, sight);
  eachPart((part, from, end) => addWeighted(part.values, weight.subarray(from, end), out));

  function eachPart(use: (part: Part, from: number, end: number) => void): void {
    let from = 0;
    for (const part of parts) {
      const end = from + part.keys.length / D;
      use(part, from, end);
      from = end;
    }
  }
}

/** A sight with one more earlier block of M entries, the last of them its landmark. */
function withBlock({ group, landmark }: Sight, M: number): Sight {
  const entries = group.length + M;
  const wider = new Int32Array(entries).fill(landmark.length);
  wider.set(group);
  wider[entries - 1] = TOP;
  return { group: wider, landmark: Int32Array.of(...landmark, entries - 1) };
}

/** The chosen blocks of query t and head h. */
function chosenParts({ pool, entries, slots }: ChosenBlocks, queries: Reals, t: number, h: number) {
  const [, Z, H, D] = queries.shape;
  const [rows, , k] = entries.shape;
  const size = pool.data.length / pool.shape[0];
  return Array.from({ length: k }, (_, r): Part => {
    const place = ((rows === 1 ? 0 : t) * H + h) * k + r;
    const query = ((t * Z + slots.data[place]) * H + h) * D;
    const block = rowAt(pool, entries.data[place]);
    return {
      query: queries.data.subarray(query, query + D),
      keys: pool.data.subarray(block, block + size / 2),
      values: pool.data.subarray(block + size / 2, block + size),
    };
  });
}
