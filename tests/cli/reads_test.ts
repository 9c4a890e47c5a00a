import { deepEqual, match } from "node:assert/strict";
import { countReads, drawReads, quoteBlocks, quoteReads } from "../../src/cli/reads.ts";
import { byteTokenizer } from "../../src/model/tokenizer/byte_tokenizer.ts";
import { fakeTerminal } from "./fake_terminal.ts";

/** Two tokens, two heads, two blocks each. */
const READS = [
  { layer: 0, rows: 2, heads: 2, k: 2, numbers: Int32Array.of(8, 9, 8, 9, 8, 9, 8, 9) },
  { layer: 3, rows: 2, heads: 2, k: 2, numbers: Int32Array.of(4, 7, 1, 4, 4, 9, 2, 8) },
];

Deno.test("countReads() counts by layer and head", () => {
  const counts = countReads();
  counts.add(READS);
  deepEqual(counts.rows().slice(2), [
    { label: "layer 3 head 0", reads: new Map([[4, 2], [7, 1], [9, 1]]) },
    { label: "        head 1", reads: new Map([[1, 1], [4, 1], [2, 1], [8, 1]]) },
  ]);
  deepEqual(counts.top(2, 8), [{ block: 4, reads: 3 }, { block: 1, reads: 1 }]);
  deepEqual(counts.readersOf(4, 5), [
    { layer: 3, head: 0, reads: 2 },
    { layer: 3, head: 1, reads: 1 },
  ]);
});

Deno.test("countReads() gives one row a layer when there are too many heads", () => {
  const counts = countReads();
  for (const layer of [0, 1]) {
    const numbers = Int32Array.from({ length: 32 }, (_, head) => head % 3);
    counts.add([{ layer, rows: 1, heads: 32, k: 1, numbers }]);
  }
  deepEqual(counts.rows().map(({ label }) => label), ["layer 0", "layer 1"]);
  deepEqual(counts.rows()[1].reads, new Map([[0, 11], [1, 11], [2, 10]]));
});

Deno.test("quoteBlocks() finds blocks in a text that comes in pieces", async () => {
  const text = "abcdefghijklmnopqrstuvwxyz";
  for (const size of [1, 2, 5, 26]) {
    const pieces = text.match(new RegExp(`.{1,${size}}`, "g"))!;
    const quotes = await quoteBlocks(pieces, byteTokenizer(), {
      blockSize: 4,
      blocks: [0, 3, 8, 20],
    });
    deepEqual(quotes, new Map([[0, "abc"], [3, "jkl"], [8, "yz"], [20, ""]]));
  }
});

Deno.test("drawReads() and quoteReads() fit into 80 columns", () => {
  const counts = countReads();
  counts.add(READS);
  const terminal = fakeTerminal();
  const drawn = drawReads(terminal, counts, { blocks: 1000, lastFrom: 8 });
  const quoted = quoteReads(terminal, counts, new Map([[4, "stone ".repeat(50)], [1, "a\n b"]]));
  for (const line of `${drawn}${quoted}`.split("\n")) match(line, /^.{0,80}$/u);
  match(drawn, /2 more read only the last blocks/);
  match(quoted, /block 4, read 3 times: “stone .*…”/);
  match(quoted, /block 1, read once: “a b”/);
});
