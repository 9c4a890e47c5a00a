/** The products that are measured: a square one, and the embedded model's (C 256, F 704, V 260). */

/** out [m, n] = a [m, k] · b [k, n]; transposed inputs lie as [k, m] and [n, k]. */
export interface MatmulShape {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Whether the model adds to out there (peers, which cannot, are measured without). */
  readonly accumulate?: boolean;
}

/** X [T, inputs] · Wᵀ, W [outputs, inputs]: a linear layer. */
function linear(name: string, m: number, n: number, k: number): MatmulShape {
  return { name, m, n, k, transposeB: true };
}

/** Grouped by what they are for. */
export const MATMUL_SHAPES: Readonly<Record<string, readonly MatmulShape[]>> = {
  square: [
    { name: "A·B", m: 768, n: 768, k: 768 },
    linear("A·Bᵀ", 768, 768, 768),
  ],
  reading: [
    linear("queries", 192, 256, 256),
    linear("keys", 192, 128, 256),
    linear("gate", 192, 704, 256),
    linear("down", 192, 256, 704),
    linear("logits", 192, 260, 256),
  ],
  training: [
    linear("queries", 2048, 256, 256),
    linear("gate", 16384, 704, 256),
    { name: "dX = dY·W", m: 2048, n: 256, k: 704, accumulate: true },
    { name: "dX = dY·W", m: 16384, n: 256, k: 704, accumulate: true },
    { name: "dW = dYᵀ·X", m: 704, n: 256, k: 2048, transposeA: true, accumulate: true },
    { name: "dW = dYᵀ·X", m: 704, n: 256, k: 16384, transposeA: true, accumulate: true },
  ],
  decoding: [
    linear("queries", 1, 256, 256),
    linear("gate", 1, 704, 256),
    linear("down", 1, 256, 704),
    ...[2, 4, 8, 16].map((rows) => linear("gate", rows, 704, 256)),
  ],
};

/** What a shape is called in tables. */
export function shapeName({ name, m, n, k }: MatmulShape): string {
  return `${name} ${m}×${n}×${k}`;
}

/** Operations of one product: a multiplication and an addition each. */
export function operations({ m, n, k }: MatmulShape): number {
  return 2 * m * n * k;
}

/** The shapes of both inputs as they lie. */
export function inputShapes(
  { m, n, k, transposeA, transposeB }: MatmulShape,
): { a: [number, number]; b: [number, number] } {
  return { a: transposeA ? [k, m] : [m, k], b: transposeB ? [n, k] : [k, n] };
}
