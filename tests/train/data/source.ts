import { type SplitCorpus, splitCorpus } from "../../../src/train/data/corpus.ts";
import {
  type Mixture,
  type SequenceKind,
  sequenceSource,
} from "../../../src/train/data/sequences.ts";

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
export const BOOK = Deno.readTextFileSync(new URL("../../../books/opticks.txt", import.meta.url));
export const CORPUS: SplitCorpus = splitCorpus([BOOK], 0.1, encode);

/** Sequences of this kind alone. */
export function only(kind: SequenceKind): Mixture {
  return { text: 0, pairsInText: 0, densePairs: 0, copy: 0, [kind]: 1 };
}

export const SOURCE = sequenceSource(CORPUS, encode, { length: 1009, mixture: only("densePairs") });

export function textOf(tokens: Iterable<number>): string {
  return new TextDecoder().decode(Uint8Array.from(tokens));
}
