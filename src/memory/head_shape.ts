/** The heads a mechanism works with, and how positions turn them. */
export interface HeadShape {
  /** L. */
  readonly layers: number;
  /** H, query heads. */
  readonly heads: number;
  /** G, key/value heads. */
  readonly kvHeads: number;
  /** D. */
  readonly headDim: number;
  /** Angle per position of each pair, f64 [D/2] (see `ropeFrequencies`). */
  readonly frequencies: Float64Array;
}
