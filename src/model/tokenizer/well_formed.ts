/** JavaScript strings may hold half of a character; no tokenizer has an id for that. */

/**
 * Checks that a text holds whole characters.
 *
 * @param at Where `text` stands in the whole text, for the message.
 * @throws {RangeError} If it holds a lone surrogate: the message tells its index.
 */
export function checkText(text: string, at = 0): void {
  if (text.isWellFormed()) return;
  let i = 0;
  // codePointAt() reads a pair as one; what is left in the range of surrogates is alone.
  for (let code; !isSurrogate(code = text.codePointAt(i)!); i += code > 0xffff ? 2 : 1);
  const code = text.charCodeAt(i).toString(16).toUpperCase();
  throw new RangeError(
    `Cannot encode text as it must be well-formed Unicode: lone surrogate U+${code} at index ${
      at + i
    }`,
  );
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}

/** Text that arrives in pieces. */
export interface TextStream {
  /** Gives the text so far that is made of whole characters. */
  push(piece: string): string;
  /** Gives the rest. */
  end(): string;
}

/** Puts characters together again that the pieces of a text cut in two; checks as it goes. */
export function textStream(): TextStream {
  let at = 0;
  let half = "";
  return {
    push(piece) {
      const text = half + piece;
      const last = text.charCodeAt(text.length - 1);
      const cut = last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length;
      const whole = text.slice(0, cut);
      checkText(whole, at);
      half = text.slice(cut);
      at += whole.length;
      return whole;
    },
    end() {
      checkText(half, at);
      return "";
    },
  };
}
