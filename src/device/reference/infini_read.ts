import { features, memoryOf, retrieve, rowOf, sigmoid } from "./infini_memory.ts";
import type { Reals } from "./tensors.ts";

/** q, local and out [T, H, D], gate [H], memory [G, D, D + 1]. */
export function infiniRead(
  q: Reals,
  local: Reals,
  gate: Reals,
  memory: Reals,
  out: Reals,
  { epsilon }: { epsilon: number },
): void {
  const [T, H] = q.shape;
  const [G] = memory.shape;
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      const row = t * H + h;
      const head = memoryOf(memory, Math.floor(h / (H / G)));
      readRow(rowOf(q, row), rowOf(local, row), gate.data[h], head, rowOf(out, row), epsilon);
    }
  }
}

/** q, local and out [D], memory [D, D + 1]. */
export function readRow(
  q: Float64Array,
  local: Float64Array,
  gate: number,
  memory: Float64Array,
  out: Float64Array,
  epsilon: number,
): void {
  const { values } = retrieve(features(q), memory, epsilon);
  const share = sigmoid(gate);
  for (let d = 0; d < q.length; d++) out[d] = share * values[d] + (1 - share) * local[d];
}
