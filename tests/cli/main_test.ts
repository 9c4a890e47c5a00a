import { equal, match, ok } from "node:assert/strict";
import { QUESTION, run, textFile, variable } from "./command_line.ts";

const COMMANDS = "demo ask generate inspect passkey eval train compare devices".split(" ");

Deno.test("main() explains itself", async () => {
  const { code, out } = await run("--help");
  equal(code, 0);
  for (const name of COMMANDS) match(out, new RegExp(`^ {2}${name} `, "m"));
  equal((await run("")).code, 2);
  for (const name of COMMANDS) {
    const help = await run(`${name} --help`);
    equal(help.code, 0);
    match(help.out, /Usage: cairn \w+/);
    match(help.out, /Examples:\n {2}# .*\n {2}cairn \w+/);
    for (const line of help.out.split("\n")) ok(line.length <= 96, line);
  }
});

Deno.test("main() says what would be right", async () => {
  using text = await textFile(600);
  await Deno.writeTextFile(`${text.folder}/empty.txt`, "");
  using _dawn = variable("DAWN_NODE", "missing.node");
  for (
    const [line, words, code, message] of [
      ["aks", [], 2, /^cairn: Cannot understand "aks": did you mean ask\?\n$/],
      ["ask", ["Who?"], 2, /there must be one of --file and --memory/],
      ["ask --file a.txt", [], 2, /there must be one question: it is missing/],
      ["ask --file a.txt who is it", [], 2, /current value is 3 words \(put quotes around it\)/],
      ["ask --file missing.txt", [QUESTION], 1, /"missing.txt" as nothing is there/],
      [`ask --file ${text.folder}/empty.txt`, [QUESTION], 1, /empty.txt" as it must have text: it/],
      ["ask --file /dev/null", [QUESTION], 1, /"\/dev\/null" as a pipe or a device is there/],
      ["ask --topblocks 3", [QUESTION], 2, /did you mean --top-blocks\?/],
      [`ask --memory ${text.path}`, [QUESTION], 1, /Cannot restore ".*book.txt"/],
      [`ask --file ${text.path} --top-blocks 99999`, [QUESTION], 1, /topBlocks must be/],
      [`ask --file ${text.path} --budget 1K`, [QUESTION], 1, /budget.host must be at least/],
      ["inspect missing.cairn", [], 1, /"missing.cairn" as nothing is there/],
      ["inspect a b", [], 2, /"b" is too many/],
      ["generate --model missing", ["a"], 1, /"missing\/config.json" as nothing is there/],
      ["generate --device gpu --gpu dawn", ["a"], 1, /Cannot load Dawn from ".*missing.node": /],
      ["generate --gpu vulkan", ["a"], 2, /one of builtin, dawn, dawn-unchecked/],
      ["train missing.json", [], 1, /"missing.json" as nothing is there/],
      ["passkey --lengths 100", [], 2, /at least 2048: current value is "100"/],
      ["eval --tokens 5", [], 2, /at least 256/],
      ["devices here", [], 2, /this command takes options only/],
    ] as const
  ) {
    const result = await run(`${line} --threads 1`, words);
    equal(result.code, code, `${line}: ${result.note}`);
    equal(result.out, "", line);
    equal(result.note.trimEnd().split("\n").length, 1, result.note);
    match(result.note, message);
  }
});

Deno.test("main() says where an error came from when it is asked to", async () => {
  match((await run("inspect missing.cairn --verbose")).note, /\n {4}at .*\.ts:\d+/);
});
