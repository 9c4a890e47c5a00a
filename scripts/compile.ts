// Makes dist/cairn, one executable with the model and the book inside. `deno compile` embeds the
// program into Deno's runtime part, denort, which it downloads unless DENORT_BIN names one.

import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const OUTPUT = fileURLToPath(new URL("dist/cairn", ROOT));
const EMBEDDED = ["models/tiny", "books/opticks.txt"];

Deno.mkdirSync(new URL("dist/", ROOT), { recursive: true });
const { code, stderr } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "-A",
    "--output",
    OUTPUT,
    ...EMBEDDED.flatMap((path) => ["--include", path]),
    "src/cli/main.ts",
    ...Deno.args,
  ],
  cwd: ROOT,
  stderr: "piped",
}).output();
const messages = new TextDecoder().decode(stderr);
if (code === 0) {
  const bytes = Deno.statSync(OUTPUT).size;
  console.log(`dist/cairn  ${(bytes / 1e6).toFixed(0)} MB; try dist/cairn demo`);
} else {
  console.error(messages.trimEnd());
  if (/denort|dl\.deno\.land|download/i.test(messages)) {
    const { deno } = Deno.version;
    console.error(
      `Cannot compile as denort, the runtime part of Deno ${deno}, must be at hand: it was not ` +
        `downloaded. Where https://dl.deno.land can be reached this task works as it is; elsewhere ` +
        `set DENORT_BIN to the path of a denort ${deno} for this machine.`,
    );
  }
  Deno.exit(1);
}
