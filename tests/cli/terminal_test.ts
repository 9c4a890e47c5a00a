import { deepEqual, equal, match, ok } from "node:assert/strict";
import { startProgress } from "../../src/cli/progress.ts";
import { drawStrip } from "../../src/cli/strip.ts";
import * as terminal from "../../src/cli/terminal.ts";
import { fakeTerminal } from "./fake_terminal.ts";

Deno.test("table() lines columns up, whatever their colours", () => {
  const colour = fakeTerminal({ colours: true });
  const text = terminal.table([
    ["length", "accuracy"],
    ["4096", terminal.paint(colour, "green", "1.00")],
  ]);
  // deno-lint-ignore no-control-regex -- colours begin with a control character
  const plain = text.replaceAll(/\x1b\[\d+m/g, "");
  equal(plain, "length  accuracy\n4096        1.00\n");
});

Deno.test("paint() leaves text alone where there are no colours", () => {
  equal(terminal.paint(fakeTerminal(), "red", "stone"), "stone");
});

Deno.test("sizeText() and timeText() round to what people read", () => {
  deepEqual([0, 999, 1000, 567_060, 9_949_999, 1.5e9].map(terminal.sizeText), [
    "0 bytes",
    "999 bytes",
    "1.0 kB",
    "567 kB",
    "9.9 MB",
    "1.5 GB",
  ]);
  deepEqual([0.04, 12.3, 119, 600, 9000].map(terminal.timeText), [
    "0.0 s",
    "12 s",
    "119 s",
    "10 min",
    "2.5 h",
  ]);
});

Deno.test("startProgress() writes lines, now and then, where nothing can be written over", () => {
  const fake = fakeTerminal();
  let time = 0;
  const progress = startProgress(fake, "reading", { now: () => time });
  for (; time <= 12_000; time += 10) progress.update(time, 20_000);
  time = 20_000;
  progress.update(20_000, 20_000);
  progress.finish();
  const lines = fake.written.note.trimEnd().split("\n");
  equal(lines.length, 4);
  equal(lines[0], "reading  25 %  1,000 tokens/s  15 s left");
  equal(lines[3], "reading  20,000 tokens in 20 s, 1,000 tokens/s");
});

Deno.test("startProgress() draws one line over and over where it can", () => {
  const fake = fakeTerminal({ live: true });
  let time = 0;
  const progress = startProgress(fake, "reading", { now: () => time });
  for (; time <= 1000; time += 10) progress.update(time, 1000);
  progress.finish();
  equal(fake.written.note.split("\n").length, 2);
  ok(fake.written.note.split("\r").length >= 10);
  match(fake.written.note, /████░/);
});

Deno.test("drawStrip() fits into its columns and puts the arrow under the mark", () => {
  for (const columns of [40, 80, 200]) {
    for (const from of [0, 500, 999]) {
      const fake = fakeTerminal({ columns });
      const rows = [
        { label: "layer 3 head 0", reads: new Map([[from, 9], [10, 1]]) },
        { label: "layer 3 head 1", reads: new Map() },
      ];
      const text = drawStrip(fake, rows, {
        blocks: 1000,
        mark: { from, to: from, label: "the pass key" },
      });
      const lines = text.trimEnd().split("\n");
      equal(lines.length, 3);
      ok(lines.every((line) => [...line].length <= columns), text);
      equal([...lines[0]].indexOf("█"), [...lines[2]].indexOf("▲"), text);
      match(lines[1], /head 1 {2}·+$/);
    }
  }
});

Deno.test("drawStrip() gives a short text a square a block", () => {
  const text = drawStrip(fakeTerminal(), [{ label: "a", reads: new Map([[11, 1]]) }], {
    blocks: 12,
  });
  equal(text, "  a  ···········█\n");
});
