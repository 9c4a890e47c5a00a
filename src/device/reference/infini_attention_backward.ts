import { frontOf, type InfiniInputs, type Segment, segmentOf } from "./infini_attention.ts";
import {
  features,
  featureSlopes,
  memoryOf,
  retrieve,
  retrieveBackward,
  rowOf,
  sigmoid,
  stored,
} from "./infini_memory.ts";
import type { Reals } from "./tensors.ts";

/** Where gradients are added; shapes as in ../infini.ts. */
export type InfiniReals = Readonly<
  Record<"q" | "k" | "v" | "local" | "gate" | "initial" | "before", Reals>
>;

type Options = { delta: boolean; epsilon: number };

/** Segments from the last to the first; dOut [B, T, H, D], dAfter [B, G, D, D + 1]. */
export function infiniAttentionBackward(
  inputs: InfiniInputs,
  memories: Reals,
  dOut: Reals,
  dAfter: Reals,
  gradients: InfiniReals,
  options: Options,
): void {
  const { q, k, segments } = inputs;
  const [B, , H] = q.shape;
  const [G, S] = [k.shape[2], segments.shape[1]];
  for (let b = 0; b < B; b++) {
    for (let g = 0; g < G; g++) {
      let dBehind = memoryOf(dAfter, b * G + g).slice();
      for (let s = S - 1; s >= 0; s--) {
        const segment = segmentOf(segments, b, s);
        const front = frontOf(inputs, memories, b, s, g);
        const dFront = dBehind.slice();
        backWrite(inputs, segment, b, g, front, dBehind, dFront, gradients, options);
        for (let h = g * H / G; h < (g + 1) * H / G; h++) {
          backRead(inputs, segment, b, h, front, dOut, dFront, gradients, options);
        }
        dBehind = dFront;
        if (!segment.fromInitial) continue;
        add(dFront, memoryOf(gradients.initial, g));
        dBehind = new Float64Array(dFront.length);
      }
      add(dBehind, memoryOf(gradients.before, b * G + g));
    }
  }
}

/** What tokens of a segment stored: M′ = M + bᵀ·u, z′ = z + Σ b. */
function backWrite(
  { k, v }: InfiniInputs,
  { first, end }: Segment,
  b: number,
  g: number,
  front: Float64Array,
  dBehind: Float64Array,
  dFront: Float64Array,
  gradients: InfiniReals,
  options: Options,
): void {
  const [, T, G, D] = k.shape;
  for (let t = first; t < end; t++) {
    const row = (b * T + t) * G + g;
    const a = features(rowOf(k, row));
    const u = stored(a, rowOf(v, row), front, options);
    const dA = new Float64Array(D);
    const dU = new Float64Array(D);
    for (let i = 0; i < D; i++) {
      dA[i] += dBehind[i * (D + 1) + D];
      for (let j = 0; j < D; j++) {
        dA[i] += dBehind[i * (D + 1) + j] * u[j];
        dU[j] += dBehind[i * (D + 1) + j] * a[i];
      }
    }
    if (options.delta) {
      // u = v − what was retrieved
      const retrieval = retrieve(a, front, options.epsilon);
      add(retrieveBackward(a, front, retrieval, dU.map((x) => -x), dFront), dA);
    }
    const slopes = featureSlopes(a);
    add(dA.map((x, i) => x * slopes[i]), rowOf(gradients.k, row));
    add(dU, rowOf(gradients.v, row));
  }
}

/** What queries of a segment read: out = σ·A + (1 − σ)·local. */
function backRead(
  { q, local, gate }: InfiniInputs,
  { first, end, reads }: Segment,
  b: number,
  h: number,
  front: Float64Array,
  dOut: Reals,
  dFront: Float64Array,
  gradients: InfiniReals,
  { epsilon }: Options,
): void {
  const [, T, H] = q.shape;
  const share = reads ? sigmoid(gate.data[h]) : 0;
  for (let t = first; t < end; t++) {
    const row = (b * T + t) * H + h;
    const slope = rowOf(dOut, row);
    add(slope.map((x) => (1 - share) * x), rowOf(gradients.local, row));
    if (!reads) continue;
    const a = features(rowOf(q, row));
    const retrieval = retrieve(a, front, epsilon);
    const gain = slope.reduce(
      (sum, x, d) => sum + x * (retrieval.values[d] - rowOf(local, row)[d]),
      0,
    );
    gradients.gate.data[h] += gain * share * (1 - share);
    const dA = retrieveBackward(a, front, retrieval, slope.map((x) => share * x), dFront);
    const slopes = featureSlopes(a);
    add(dA.map((x, i) => x * slopes[i]), rowOf(gradients.q, row));
  }
}

/** out += x. */
function add(x: Float64Array, out: Float64Array): void {
  for (let i = 0; i < x.length; i++) out[i] += x[i];
}
