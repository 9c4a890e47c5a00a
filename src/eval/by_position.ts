import type { TextLosses } from "./text_losses.ts";

/** How well a stretch of a text is foretold. */
export interface Stretch {
  /** Tokens, landmarks aside: [from, to). */
  readonly from: number;
  readonly to: number;
  /** exp of the mean loss. */
  readonly perplexity: number;
  readonly bitsPerByte: number;
}

/** Options of {@linkcode byPosition}. */
export interface PositionOptions {
  /** The first stretch; each further one ends twice as far into the text. */
  first: number;
  /** Of the whole text: the same for all its stretches, as the tokenizer is. */
  tokensPerByte: number;
}

/** Sums losses up, stretch by stretch, and for the whole text. */
export function byPosition(
  losses: TextLosses,
  options: PositionOptions,
): { stretches: Stretch[]; all: Stretch } {
  const { first, tokensPerByte } = options;
  const stretch = (from: number, to: number): Stretch => {
    // The first token of the text is nobody's target.
    const counted = losses.subarray(Math.max(1, from), to);
    const mean = counted.reduce((sum, loss) => sum + loss, 0) / counted.length;
    return {
      from,
      to,
      perplexity: Math.exp(mean),
      bitsPerByte: mean / Math.LN2 * tokensPerByte,
    };
  };
  const stretches: Stretch[] = [];
  for (let from = 0, to = first; from < losses.length; from = to, to *= 2) {
    stretches.push(stretch(from, Math.min(to, losses.length)));
  }
  return { stretches, all: stretch(0, losses.length) };
}
