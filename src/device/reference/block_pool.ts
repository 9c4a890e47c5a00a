import { fromHalf } from "./half.ts";
import { type Data, type Indices, type Reals, rowAt, store } from "./tensors.ts";

/** out [S/M, G, 2, M, D] = k, then v [S, G, D], cut into blocks of M tokens; f32 or f16. */
export function sealBlocks(
  k: Reals,
  v: Reals,
  out: { shape: readonly number[]; data: Data },
): void {
  const [n, G, , M, D] = out.shape;
  for (let j = 0; j < n; j++) {
    for (let g = 0; g < G; g++) {
      [k, v].forEach((x, part) => {
        for (let m = 0; m < M; m++) {
          const from = ((j * M + m) * G + g) * D;
          const to = (((j * G + g) * 2 + part) * M + m) * D;
          store(out.data, x.data.subarray(from, from + D), to);
        }
      });
    }
  }
}

/** pool [capacity, 2, M, D] at entries [n] = pieces [n, 2, M, D], f32 or f16. */
export function loadBlocks(pieces: { data: Data }, pool: Reals, entries: Indices): void {
  const size = pool.data.length / pool.shape[0];
  const half = pieces.data instanceof Uint16Array;
  entries.data.forEach((entry, i) => {
    const to = rowAt(pool, entry);
    for (let e = 0; e < size; e++) {
      const number = pieces.data[i * size + e];
      pool.data[to + e] = half ? fromHalf(number) : number;
    }
  });
}
