/** A source of numbers that are the same in every run. */
export interface Random {
  /** For messages. */
  readonly seed: number;
  /** In [0, 1). */
  uniform(): number;
  /** An integer in [low, high]. */
  integer(low: number, high: number): number;
  /** `count` numbers of a normal distribution, rounded to f32. */
  normal(count: number, deviation?: number): Float64Array;
  /** `count` integers in [low, high]. */
  integers(count: number, low: number, high: number): Int32Array;
}

/** A source that starts from this seed (Bob Jenkins's small fast 32-bit generator). */
export function randomFrom(seed: number): Random {
  let [a, b, c, d] = [0xf1ea5eed, seed, seed, seed];
  function next(): number {
    const e = (a - (b << 27 | b >>> 5)) | 0;
    a = b ^ (c << 17 | c >>> 15);
    b = (c + d) | 0;
    c = (d + e) | 0;
    d = (e + a) | 0;
    return d >>> 0;
  }
  for (let i = 0; i < 20; i++) next();

  const uniform = () => next() / 2 ** 32;
  const integer = (low: number, high: number) => low + Math.floor(uniform() * (high - low + 1));
  return {
    seed,
    uniform,
    integer,
    normal: (count, deviation = 1) =>
      Float64Array.from({ length: count }, () => {
        const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
        return Math.fround(deviation * radius * Math.cos(2 * Math.PI * uniform()));
      }),
    integers: (count, low, high) => Int32Array.from({ length: count }, () => integer(low, high)),
  };
}
