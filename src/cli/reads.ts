/** Which blocks were read for an answer: counted, drawn, and quoted. */

import type { BlocksRead } from "../memory/read_blocks.ts";
import type { StreamEncoder, Tokenizer } from "../model/tokenizer.ts";
import { drawStrip, type StripOptions, type StripRow } from "./strip.ts";
import { grouped, paint, plural, type Terminal } from "./terminal.ts";

/** How often each block was read, by layer and head. */
export interface ReadCounts {
  add(reads: readonly BlocksRead[]): void;
  /** One row a head; one a layer where there are more heads than fit on a screen. */
  rows(): StripRow[];
  /** The blocks below `before` that were read most often, best first. */
  top(count: number, before: number): { block: number; reads: number }[];
  /** Layer and head of whoever read any of the blocks, and how often. */
  readersOf(from: number, to: number): { layer: number; head: number; reads: number }[];
}

const MOST_ROWS = 24;

/** What one head of a layer read, by block; head 0 stands for all where they read the same. */
interface HeadReads {
  readonly layer: number;
  readonly head: number;
  readonly reads: Map<number, number>;
}

/** Starts to count. */
export function countReads(): ReadCounts {
  const heads = new Map<string, HeadReads>();
  const readsOf = (layer: number, head: number): Map<number, number> => {
    const key = `${layer}.${head}`;
    if (!heads.has(key)) heads.set(key, { layer, head, reads: new Map() });
    return heads.get(key)!.reads;
  };
  const sorted = (): HeadReads[] =>
    [...heads.values()].sort((a, b) => a.layer - b.layer || a.head - b.head);
  return {
    add(all) {
      for (const { layer, heads, k, numbers } of all) {
        for (const [i, block] of numbers.entries()) {
          const reads = readsOf(layer, Math.floor(i / k) % heads);
          reads.set(block, (reads.get(block) ?? 0) + 1);
        }
      }
    },
    rows: () => rowsOf(sorted()),
    top(count, before) {
      return [...sum(sorted())].map(([block, reads]) => ({ block, reads }))
        .filter(({ block }) => block < before)
        .sort((a, b) => b.reads - a.reads || a.block - b.block).slice(0, count);
    },
    readersOf(from, to) {
      return sorted().map(({ layer, head, reads }) => {
        const marked = [...reads].filter(([block]) => block >= from && block <= to);
        return { layer, head, reads: marked.reduce((n, [, count]) => n + count, 0) };
      }).filter(({ reads }) => reads > 0).sort((a, b) => b.reads - a.reads);
    },
  };
}

function rowsOf(heads: readonly HeadReads[]): StripRow[] {
  const layers = Map.groupBy(heads, ({ layer }) => layer);
  if (heads.length > MOST_ROWS) {
    return [...layers].map(([layer, heads]) => ({ label: `layer ${layer}`, reads: sum(heads) }));
  }
  return [...layers].flatMap(([layer, heads]) =>
    heads.map(({ head, reads }, i) => {
      const name = `layer ${layer}`;
      return { label: `${i === 0 ? name : " ".repeat(name.length)} head ${head}`, reads };
    })
  );
}

function sum(heads: readonly HeadReads[]): Map<number, number> {
  const total = new Map<number, number>();
  for (const { reads } of heads) {
    for (const [block, count] of reads) total.set(block, (total.get(block) ?? 0) + count);
  }
  return total;
}

/** Options of {@linkcode drawReads}. */
export interface DrawOptions extends StripOptions {
  /** Blocks from this one on are the text's last ones, which every head may read without choosing. */
  lastFrom: number;
}

/**
 * Draws who read what; heads that read nothing but the last blocks are only counted. Where all did,
 * as they must in a short text, there is nothing to draw.
 */
export function drawReads(terminal: Terminal, counts: ReadCounts, options: DrawOptions): string {
  const { blocks, lastFrom } = options;
  const all = counts.rows();
  const rows = all.filter(({ reads }) => reads.keys().some((block) => block < lastFrom));
  if (rows.length === 0) {
    return "\nRead for the answer: only the last blocks, which need no choosing.\n";
  }
  const size = plural(blocks, "block");
  const heading = `Read for the answer, by layer and head; ${size} from left to right:`;
  const others = all.length - rows.length;
  const note = others === 0
    ? ""
    : `  ${paint(terminal, "dim", `${others} more read only the last blocks`)}\n`;
  return `\n${heading}\n\n${drawStrip(terminal, rows, options)}${note}`;
}

/** Says what stands in the blocks that were read most often. */
export function quoteReads(
  terminal: Terminal,
  counts: ReadCounts,
  quotes: ReadonlyMap<number, string>,
): string {
  const lines = counts.top(Infinity, Infinity).filter(({ block }) => quotes.has(block)).map(
    ({ block, reads }) => {
      const label = `block ${grouped(block)}, read ${
        reads === 1 ? "once" : `${grouped(reads)} times`
      }:`;
      const room = Math.max(16, terminal.columns - label.length - 6);
      const quote = quotes.get(block)!.replaceAll(/\s+/g, " ").trim();
      const cut = quote.length > room ? `${quote.slice(0, room - 1)}…` : quote;
      return `  ${label} ${paint(terminal, "dim", `“${cut}”`)}\n`;
    },
  );
  return `\n${lines.join("")}`;
}

/** Finds what stands in some blocks of a text, without keeping the text. */
export async function quoteBlocks(
  chunks: AsyncIterable<string> | Iterable<string>,
  tokenizer: Tokenizer,
  options: { blockSize: number; blocks: readonly number[] },
): Promise<Map<number, string>> {
  const size = options.blockSize - 1; // the landmark is no text
  const wanted = new Map(options.blocks.map((block) => [block, [] as number[]]));
  let at = 0;
  const take = (ids: ReturnType<StreamEncoder["end"]>): void => {
    for (const [block, kept] of wanted) {
      const from = Math.max(0, block * size - at);
      for (const id of ids.subarray(from, Math.max(from, (block + 1) * size - at))) kept.push(id);
    }
    at += ids.length;
  };
  const encoder = tokenizer.encoder();
  for await (const chunk of chunks) take(encoder.push(chunk));
  take(encoder.end());
  return new Map([...wanted].map(([block, ids]) => [block, tokenizer.decode(ids)]));
}
