import { ok } from "node:assert/strict";
import { run } from "./command_line.ts";

Deno.test("eval agrees with itself where the views are the same", async () => {
  const { out } = await run("eval --tokens 900 --threads 1 --json");
  const { results } = JSON.parse(out);
  const [chosen, recent, none, dense] = results.map((
    { all }: { all: { bitsPerByte: number } },
  ) => all.bitsPerByte);
  for (const bits of [chosen, recent, none, dense]) ok(bits > 1 && bits < 4.5, `${bits}`);
  ok(none > recent, "what came before must help");
  // Of the first 189 tokens, a section, all views see the same.
  const first = (await run("eval --tokens 256 --threads 1 --json")).out;
  const all = JSON.parse(first).results.map((
    { all }: { all: { perplexity: number } },
  ) => all.perplexity);
  ok(Math.abs(all[0] / all[1] - 1) < 1e-3, `${all}`);
});
