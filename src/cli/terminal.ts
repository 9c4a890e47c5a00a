/** Where a command writes: results to one stream, everything else to another. */

/** What a command sees of the world. A test gives its own. */
export interface Terminal {
  /** Results: standard output. */
  out(text: string): void;
  /** Progress, hints and errors: standard error. */
  note(text: string): void;
  /** Letters in a line. */
  readonly columns: number;
  /** Whether results may have colours. */
  readonly colours: boolean;
  /** Whether a line of notes can be written over. */
  readonly live: boolean;
  /** Aborted when the user has had enough. */
  readonly signal: AbortSignal;
}

/** A way to set off a piece of text. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Sets text off, if the terminal can show it. */
export function paint(terminal: Terminal, style: Style, text: string): string {
  if (!terminal.colours || text === "") return text;
  const [on, off] = CODES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** Letters that a text takes on the screen: colours take none. */
export function width(text: string): number {
  // deno-lint-ignore no-control-regex -- colours begin with a control character
  return [...text.replaceAll(/\x1b\[\d+m/g, "")].length;
}

/** Columns that line up: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, width(cell)));
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => {
      const space = " ".repeat(widths[i] - width(cell));
      return i === 0 ? cell + space : space + cell;
    }).join("  ").trimEnd();
  return rows.map(line).join("\n") + "\n";
}

/** Names and what they are, one a line. */
export function facts(terminal: Terminal, rows: readonly (readonly [string, string])[]): string {
  const widest = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${paint(terminal, "dim", name.padEnd(widest))}  ${value}\n`)
    .join("");
}

/** A whole number, with commas between thousands. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Bytes, for people: 1 kB is 1000 bytes. */
export function sizeText(sizeBytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = sizeBytes;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return unit === 0 ? `${grouped(value)} bytes` : `${short(value)} ${units[unit]}`;
}

/** Three figures at most after the point are worth reading. */
function short(value: number): string {
  return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
}

/** A stretch of time, for people. */
export function timeText(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** `1 block`, `2 blocks`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}
