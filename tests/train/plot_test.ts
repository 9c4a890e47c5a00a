import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { lossPlot, parseLossLog } from "../../src/train/loss_log.ts";
import { plot, ticks } from "../../src/train/plot.ts";

const LABELS = { title: "Loss", xLabel: "step", yLabel: "bits per byte" };

Deno.test("ticks() stand at round numbers inside the range", () => {
  deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  deepEqual(ticks(0.13, 0.71), [0.2, 0.4, 0.6]);
  deepEqual(ticks(1, 6000), [2000, 4000, 6000]);
  deepEqual(ticks(-3, 3), [-2, 0, 2]);
  deepEqual(ticks(1.61, 1.65), [1.61, 1.62, 1.63, 1.64, 1.65]);
});

Deno.test("plot() puts the largest value on top and the last step at the right", () => {
  const svg = plot([{ label: "a < b", points: [{ x: 0, y: 8 }, { x: 10, y: 2 }] }], LABELS);
  equal(svg.match(/points="([^"]+)"/)![1], "64,44 640,368");
  ok(svg.includes("a &lt; b") && svg.includes("bits per byte"));
  // Well-formed: every element that is opened is closed.
  equal(svg.match(/<text/g)!.length, svg.match(/<\/text>/g)!.length);
});

Deno.test("plot() names lines beside them, in their colour, and draws faint ones in grey", () => {
  const points = [{ x: 0, y: 8 }, { x: 10, y: 2 }];
  const svg = plot([{ label: "raw", faint: true, points }, { label: "smooth", points }], LABELS);
  const [raw, smooth] = [...svg.matchAll(/<polyline[^>]* stroke="([^"]+)"/g)].map(([, c]) => c);
  ok(raw !== smooth);
  for (const [label, colour] of [["raw", raw], ["smooth", smooth]]) {
    const [, x, stroke] = svg.match(
      new RegExp(`<path d="M(\\d+) [^"]+" stroke="([^"]+)"[^>]*/><text [^>]+>${label}<`),
    )!;
    equal(stroke, colour);
    ok(Number(x) > 640, `the lines end at 640, and a legend is at ${x}`);
  }
});

Deno.test("plot() draws long runs with few points, and single points too", () => {
  const points = Array.from({ length: 10_000 }, (_, x) => ({ x, y: Math.sin(x) }));
  const svg = plot([
    { label: "long", points },
    { label: "one", points: [{ x: 5, y: 0 }] },
  ], LABELS);
  const drawn = svg.match(/points="([^"]+)"/)![1].split(" ").length;
  ok(drawn <= 600 && drawn > 300, `${drawn} points`);
  ok(svg.includes("<circle"));
});

Deno.test("plot() leaves out what is not a number, and refuses to draw nothing", () => {
  const svg = plot([{ label: "a", points: [{ x: 1, y: NaN }, { x: 1, y: 3 }] }], LABELS);
  ok(!svg.includes("NaN"));
  throws(() => plot([{ label: "a", points: [{ x: 1, y: Infinity }] }], LABELS), {
    name: "RangeError",
    message: "Cannot plot as there must be a point at least: current value is 0 points",
  });
});

Deno.test("parseLossLog() leaves a cut last line out, and says which other line is wrong", () => {
  deepEqual(parseLossLog('{"step":1,"loss":2}\n{"step":2,"lo'), [{ step: 1, loss: 2 }]);
  throws(() => parseLossLog('{"step":1}\nnonsense\n{"step":2}\n'), {
    name: "SyntaxError",
    message: "Cannot read losses as line 2 must be a JSON object with a step: " +
      "current value is nonsense",
  });
});

Deno.test("lossPlot() draws text alone where there is any, else all tasks", () => {
  const tasks = [{ step: 1, loss: 3 }, { step: 2, loss: 2 }];
  ok(lossPlot(tasks, "Loss").includes("training, all tasks"));
  const svg = lossPlot([...tasks, { step: 3, loss: 1, bitsPerByte: 2 }], "Loss");
  ok(svg.includes("training text") && !svg.includes("held-out text"));
});
