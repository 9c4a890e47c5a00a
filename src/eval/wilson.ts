/** A share, and between which limits the truth lies. */
export interface Share {
  readonly right: number;
  readonly asked: number;
  readonly low: number;
  readonly high: number;
}

/** The 97.5 % point of the normal distribution. */
const Z = 1.959964;

/**
 * The 95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927): unlike the textbook's, it is
 * not empty when all answers are right.
 *
 * @param right How many were right, in [0, `asked`].
 * @param asked How many there were; with none nothing is known.
 */
export function wilson(right: number, asked: number): Share {
  if (!(asked >= 0 && right >= 0 && right <= asked)) {
    throw new RangeError(
      `Cannot make an interval as right must be in [0, asked]: current values are ${right} and ${asked}`,
    );
  }
  if (asked === 0) return { right, asked, low: 0, high: 1 };
  const share = right / asked;
  const spread = Z * Z / asked;
  const centre = share + spread / 2;
  const reach = Z * Math.sqrt(share * (1 - share) / asked + spread / (4 * asked));
  const clamp = (value: number): number => Math.min(1, Math.max(0, value / (1 + spread)));
  return { right, asked, low: clamp(centre - reach), high: clamp(centre + reach) };
}
