import type { Terminal } from "../../src/cli/terminal.ts";

/** A terminal that keeps what is written to it. */
export interface FakeTerminal extends Terminal {
  readonly written: { out: string; note: string };
}

export function fakeTerminal(options: Partial<Terminal> = {}): FakeTerminal {
  const written = { out: "", note: "" };
  return {
    written,
    out: (text) => void (written.out += text),
    note: (text) => void (written.note += text),
    columns: 80,
    colours: false,
    live: false,
    signal: new AbortController().signal,
    ...options,
  };
}
