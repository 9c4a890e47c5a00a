/** Text on its way out, held back where it may be the beginning of a stop text. */
export interface StopText {
  /** Text that can go out now; after a stop text was found, nothing follows. */
  push(text: string): string;
  /** The rest. */
  end(): string;
  readonly found: boolean;
}

/** Lets text through up to the first of these; it is not part of the text. */
export function stopText(stops: readonly string[]): StopText {
  let held = "";
  let found = false;
  return {
    get found() {
      return found;
    },
    push(text) {
      if (found) return "";
      held += text;
      const places = stops.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
      found = places.length > 0;
      const end = found ? Math.min(...places) : held.length - longestStart(held, stops);
      const out = held.slice(0, end);
      held = found ? "" : held.slice(end);
      return out;
    },
    end() {
      const out = held;
      held = "";
      return out;
    },
  };
}

/** How many characters at the end of a text begin a stop text. */
function longestStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
