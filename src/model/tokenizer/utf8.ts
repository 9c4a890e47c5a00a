/** Bytes that are not UTF-8. */
export class TextError extends TypeError {
  /** Its class, also across realms. */
  override name = "TextError";
  /** The offset of the first byte that cannot be text. */
  readonly at: number;

  /** Takes the offset, and what is there. */
  constructor(at: number, problem: string) {
    super(`Cannot read text as it must be UTF-8: ${problem} at byte ${at}`);
    this.at = at;
  }
}

/**
 * Reads a stream of UTF-8 bytes as text, in pieces of whole characters. A byte order mark at the
 * start is left out.
 *
 * @throws {TextError} At the first byte that is not UTF-8.
 */
export async function* utf8Text(
  stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, void> {
  let at = 0; // of the first byte of `rest`
  let rest = new Uint8Array(0);
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? chunk : concat(rest, chunk);
    const end = bytes.length - cutTail(bytes);
    const text = decode(bytes.subarray(0, end), at);
    const piece = at === 0 && text.startsWith("\uFEFF") ? text.slice(1) : text;
    rest = bytes.slice(end);
    at += end;
    if (piece !== "") yield piece;
  }
  if (rest.length > 0) {
    throw new TextError(at, "it ends within a character that begins");
  }
}

/** How many bytes at the end begin a character that goes on after it. */
function cutTail(bytes: Uint8Array): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count];
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > count ? count : 0;
    }
    if (byte < 0x80) return 0;
  }
  return 0;
}

function decode(bytes: Uint8Array, at: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const wrong = firstWrong(bytes);
    const shown = `0x${bytes[wrong].toString(16).padStart(2, "0")}`;
    throw new TextError(at + wrong, `unexpected ${shown}`);
  }
}

/** The index of the byte with which the text goes wrong. */
function firstWrong(bytes: Uint8Array): number {
  // A decoder that may wait for more throws on a prefix exactly if the wrong byte is in it.
  const isFine = (length: number): boolean => {
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true });
      decoder.decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let fine = 0;
  let wrong = bytes.length;
  while (wrong - fine > 1) {
    const middle = (fine + wrong) >> 1;
    if (isFine(middle)) fine = middle;
    else wrong = middle;
  }
  return fine;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
