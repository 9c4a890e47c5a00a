/** Reading and answering with the embedded model, by how much is remembered. */

import { type Cairn, open } from "../../src/cairn.ts";
import type { Session } from "../../src/session/session.ts";
import type { Bench } from "./bench.ts";

const GENERATED = 48;

/** Part "reading". */
export async function benchReading(bench: Bench): Promise<void> {
  using device = await bench.open(false);
  using cairn = await open(bench.model, { device });
  {
    using warm = cairn.session();
    await warm.read(textOf(bench, bench.small ? 512 : 8192));
  }
  for (const length of bench.small ? [1024] : [32_768, 1_048_576]) {
    if (!bench.wanted(`${length}`)) continue;
    using session = cairn.session({ budget: { host: 8 * 2 ** 30 } });
    const { tokens, elapsedMs } = await session.read(textOf(bench, length));
    const rate = tokens / elapsedMs * 1000;
    const part = "reading";
    bench.report({ part, name: `read ${length}`, ms: elapsedMs, rate, unit: "tokens/s" });
    await generate(bench, session, length);
  }
  await choosing(bench, cairn);
  await profiled(bench);
}

/** A token at a time, each choosing its blocks. */
async function generate(bench: Bench, session: Session, length: number): Promise<void> {
  using fork = await session.fork();
  const options = { remember: true, temperature: 0 };
  for await (const _ of fork.generate("The", { ...options, maxTokens: 4 })) { /* warm */ }
  const before = fork.inspect();
  const start = performance.now();
  let tokens = 1; // the prompt's goes through the model as the others do
  for await (const piece of fork.generate(" ", { ...options, maxTokens: GENERATED })) {
    tokens += piece.ids.length;
  }
  const ms = (performance.now() - start) / tokens;
  const after = fork.inspect();
  const scan = ((after.scanMs - before.scanMs) / tokens).toFixed(2);
  const blocks = ((after.readMs - before.readMs) / tokens).toFixed(2);
  const note = `scan ${scan} ms, bringing blocks ${blocks} ms`;
  const name = `token behind ${length}`;
  bench.report({ part: "reading", name, ms, rate: 1000 / ms, unit: "tokens/s", note });
}

/** Every chunk chooses its blocks among all that are stored. */
async function choosing(bench: Bench, cairn: Cairn): Promise<void> {
  const length = bench.small ? 1024 : 32_768;
  const name = `read ${length}, choosing by chunk`;
  if (!bench.wanted(name)) return;
  using session = cairn.session({ choose: { reading: "chunk" } });
  const { tokens, elapsedMs: ms } = await session.read(textOf(bench, length));
  bench.report({ part: "reading", name, ms, rate: tokens / ms * 1000, unit: "tokens/s" });
}

/** Where the GPU's time goes. */
async function profiled(bench: Bench): Promise<void> {
  const length = bench.small ? 512 : 32_768;
  const name = `kernels of ${length}`;
  if (!bench.wanted(name)) return;
  using device = await bench.open(true);
  using cairn = await open(bench.model, { device });
  using session = cairn.session();
  await session.read(textOf(bench, 512));
  await device.profile();
  await session.read(textOf(bench, length));
  const times = [...await device.profile()].sort(([, a], [, b]) => b.ms - a.ms);
  const ms = times.reduce((sum, [, { ms }]) => sum + ms, 0);
  const kernels = Object.fromEntries(
    times.map(([name, { count, ms }]) => [name, { runs: count, ms }]),
  );
  bench.report({ part: "reading", name, ms, kernels, note: "GPU time alone" });
}

/** The book, over and over. */
function textOf(bench: Bench, bytes: number): string {
  const book = Deno.readFileSync(bench.text);
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += book.length) all.set(book.subarray(0, bytes - at), at);
  return new TextDecoder().decode(all);
}
