/** A text as a strip, from left to right, with the blocks that were read. */

import { paint, type Style, type Terminal } from "./terminal.ts";

/** One line of the picture. */
export interface StripRow {
  readonly label: string;
  /** How often each block was read, by the block's number. */
  readonly reads: ReadonlyMap<number, number>;
}

/** Options of {@linkcode drawStrip}. */
export interface StripOptions {
  /** Blocks of the whole text. */
  blocks: number;
  /** A stretch of blocks to point at: first and last. */
  mark?: { from: number; to: number; label: string } | undefined;
}

const SHADES = [..."░▒▓█"];
const EMPTY = "·";
const WIDEST = 72;

/**
 * Draws one line a row. The fuller a square, the larger the share of the row's reads that went to
 * its blocks; squares with the marked blocks are green, or stand above the arrow.
 */
export function drawStrip(
  terminal: Terminal,
  rows: readonly StripRow[],
  options: StripOptions,
): string {
  const { blocks, mark } = options;
  const label = Math.max(0, ...rows.map((row) => row.label.length));
  const columns = Math.max(8, Math.min(WIDEST, terminal.columns - label - 5, blocks));
  const columnOf = (block: number): number =>
    Math.min(columns - 1, Math.floor(block * columns / blocks));
  const marked = mark && { from: columnOf(mark.from), to: columnOf(mark.to) };
  const styleOf = (shade: string, column: number): Style =>
    shade === EMPTY
      ? "dim"
      : marked && column >= marked.from && column <= marked.to
      ? "green"
      : "cyan";
  const lines = rows.map((row) => {
    const squares = shadesOf(row.reads, columns, columnOf);
    const strip = paintRuns(terminal, squares, styleOf);
    return `  ${paint(terminal, "dim", row.label.padEnd(label))}  ${strip}`;
  });
  if (mark && marked) lines.push(arrow(terminal, label + 4 + marked.from, mark.label));
  return lines.join("\n") + "\n";
}

function shadesOf(
  reads: ReadonlyMap<number, number>,
  columns: number,
  columnOf: (block: number) => number,
): string[] {
  const sums = new Float64Array(columns);
  let all = 0;
  for (const [block, count] of reads) {
    sums[columnOf(block)] += count;
    all += count;
  }
  return Array.from(sums, (sum) => {
    if (sum === 0) return EMPTY;
    return SHADES[Math.min(SHADES.length - 1, Math.floor(2 * SHADES.length * sum / all))];
  });
}

/** Neighbours of the same style are painted together. */
function paintRuns(
  terminal: Terminal,
  squares: readonly string[],
  styleOf: (square: string, column: number) => Style,
): string {
  let text = "";
  let run = "";
  for (const [column, square] of squares.entries()) {
    run += square;
    const style = styleOf(square, column);
    const next = squares[column + 1];
    if (next !== undefined && styleOf(next, column + 1) === style) continue;
    text += paint(terminal, style, run);
    run = "";
  }
  return text;
}

/** An arrow under a column; what it says stands on whichever side there is room. */
function arrow(terminal: Terminal, column: number, label: string): string {
  const left = column - label.length - 1;
  const line = column + label.length + 2 <= terminal.columns || left < 0
    ? `${" ".repeat(column)}▲ ${label}`
    : `${" ".repeat(left)}${label} ▲`;
  return paint(terminal, "green", line);
}
