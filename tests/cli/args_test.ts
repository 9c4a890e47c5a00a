import { deepEqual, equal, throws } from "node:assert/strict";
import * as args from "../../src/cli/args.ts";

const OPTIONS = {
  lengths: args.numbers("", { least: 1 }, [4096]),
  prompts: args.number("", { least: 1, most: 100 }, 10),
  rate: args.number("", { least: 0, most: 1, whole: false }),
  device: args.choice(["auto", "cpu"], "", "auto"),
  budget: args.bytes(""),
  file: args.text("FILE", ""),
  json: args.flag(""),
};

Deno.test("parse() reads every kind of option, and the words between", () => {
  const { values, words } = args.parse(
    [
      ..."--lengths 4096,65536 one --prompts=5 --rate 0.25 --device cpu --budget 1.5G".split(" "),
      ..."two --json --file a=b -- --last".split(" "),
    ],
    OPTIONS,
  );
  deepEqual(values, {
    lengths: [4096, 65536],
    prompts: 5,
    rate: 0.25,
    device: "cpu",
    budget: 1.5 * 2 ** 30,
    file: "a=b",
    json: true,
  });
  deepEqual(words, ["one", "two", "--last"]);
});

Deno.test("parse() falls back on what was not given", () => {
  const { values } = args.parse([], OPTIONS);
  deepEqual(values.lengths, [4096]);
  equal(values.rate, undefined);
  equal(values.json, false);
});

for (
  const [line, message] of [
    ["--lenghts 5", /Cannot understand "--lenghts": did you mean --lengths\?/],
    ["--zebra", /Cannot understand "--zebra": --help lists the options/],
    ["-j", /Cannot understand "-j"/],
    ["--constructor", /Cannot understand "--constructor"/],
    ["--json=yes", /--json takes no value/],
    ["--prompts", /it needs a value: --prompts N/],
    ["--prompts ten", /--prompts as it must be a whole number, at least 1 and at most 100.*"ten"/],
    ["--prompts 101", /current value is "101"/],
    ["--prompts 1.5", /current value is "1.5"/],
    ["--lengths 4096,,", /current value is ""/],
    ["--device tpu", /must be one of auto, cpu: current value is "tpu"/],
    ["--budget lots", /a number of bytes such as 4096, 64M or 2G: current value is "lots"/],
  ] as const
) {
  Deno.test(`parse() refuses ${line}`, () => {
    throws(() => args.parse(line.split(" "), OPTIONS), { name: "UsageError", message });
  });
}
