import type { Tokenizer } from "../tokenizer.ts";
import { checkText, textStream } from "./well_formed.ts";

/** How many ids stand for text. */
const BYTES = 256;

/**
 * The tokenizer of byte-level models: the UTF-8 bytes of a text are its ids. Every other id, a
 * landmark among them, stands for no text.
 */
export function byteTokenizer(): Tokenizer {
  return {
    name: "bytes",
    vocabSize: BYTES,
    encode(text) {
      checkText(text);
      return toIds(text);
    },
    decode(ids) {
      return newDecoder().decode(bytesOf(ids));
    },
    encoder() {
      const stream = textStream();
      return {
        push: (text) => toIds(stream.push(text)),
        end: () => toIds(stream.end()),
      };
    },
    decoder() {
      // Holds the bytes of a character until its last one is there.
      const decoder = newDecoder();
      return {
        push: (ids) => decoder.decode(bytesOf(ids), { stream: true }),
        end: () => decoder.decode(),
      };
    },
  };
}

const newDecoder = (): TextDecoder => new TextDecoder("utf-8", { ignoreBOM: true });

function toIds(text: string): Int32Array {
  return new Int32Array(new TextEncoder().encode(text));
}

function bytesOf(ids: Iterable<number>): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const id of ids) if (id >= 0 && id < BYTES) bytes.push(id);
  return Uint8Array.from(bytes);
}
