/** Tokens that are drawn one behind the other. */

import type { BlocksRead } from "../memory/read_blocks.ts";
import type { Reader } from "./reader.ts";
import { sample, type SampleOptions, type Uniform } from "./sampler.ts";

/** How tokens are drawn. */
export interface DrawOptions extends SampleOptions {
  readonly forbidden: readonly number[];
  readonly uniform: Uniform;
  /** No more than these are asked for. */
  readonly maxTokens: number;
  /** Whether the reader is used afterwards. */
  readonly remember: boolean;
  /** Say which blocks were read. */
  readonly trace: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A token that may come next. */
export interface Drawn {
  readonly id: number;
  /** The blocks that were read to foretell it, by layer. */
  readonly blocks: readonly BlocksRead[];
}

/** Tokens behind what a reader has read: each is drawn, and then taken or not, which ends it. */
export interface Draws extends AsyncDisposable {
  /** The next token. @throws {RangeError} If there is none. */
  next(): Promise<Drawn>;
  /** Reads the token that was drawn; the reader remembers it. */
  take(): Promise<void>;
}

/** Every token is known before the next one is begun. */
export function drawOneByOne(reader: Reader, options: DrawOptions): Draws {
  const { trace, signal, uniform } = options;
  let id = -1;
  return {
    next() {
      id = sample(reader.next!, options, uniform);
      return Promise.resolve({ id, blocks: reader.blocks });
    },
    async take() {
      await reader.feed(Int32Array.of(id), { purpose: "asking", trace, signal });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
