/**
 * Reading and answering with the embedded model, by how much is remembered and where: tokens a
 * second, and a section's time on the host and on the GPU.
 */
import { cpuUsage } from "node:process";
import { type Cairn, open } from "../../src/cairn.ts";
import { type GpuDevice, openGpuDevice } from "../../src/device/gpu/gpu_device.ts";
import type { Session } from "../../src/session/session.ts";
import type { Bench } from "./bench.ts";
import { standInGpu } from "./stand_in.ts";

const PART = "reading";
const GENERATED = 48;
/** Tokens before these, so many that a landmark falls due: a pass of two has kernels of its own. */
const WARM = 72;
const QUESTION = " What is the pass key? The pass key is";
/** Bytes on the device: enough for all blocks, and for 4000 tokens of the embedded model. */
const BUDGETS = { "on the GPU": 7 * 2 ** 30, "on the host": 12 * 2 ** 20 };
const SMALL_BUDGETS: typeof BUDGETS = { "on the GPU": 2 ** 24, "on the host": 2 ** 20 };

/** Part "reading". */
export async function benchReading(bench: Bench): Promise<void> {
  using device = await bench.open(false);
  using cairn = await open(bench.model, { device });
  await warmUp(bench, cairn);
  for (const length of bench.small ? [1024] : [32_768, 1_048_576]) {
    for (const [where, budget] of Object.entries(bench.small ? SMALL_BUDGETS : BUDGETS)) {
      const name = `${length}, blocks ${where}`;
      if (!bench.wanted(name)) continue;
      // A pool takes its memory at once, and adapters that a CPU plays have little.
      const most = Math.min(budget, 2 ** 24 + length * 4096);
      using session = cairn.session({ budget: { device: most, host: 8 * 2 ** 30 } });
      await readAndAnswer(bench, cairn, session, { length, name });
      await generate(bench, session, name);
    }
  }
  await choosing(bench, cairn);
  await hostAlone(bench);
  await profiled(bench);
}

/** Kernels are compiled, and the engine's own code. */
async function warmUp(bench: Bench, cairn: Cairn): Promise<void> {
  using warm = cairn.session();
  await warm.read(textOf(bench, bench.small ? 512 : 8192));
}

/** A text is read, and a question behind it answered. */
async function readAndAnswer(
  bench: Bench,
  cairn: Cairn,
  session: Session,
  { length, name }: { length: number; name: string },
): Promise<void> {
  const text = textOf(bench, length);
  const [start, cpu] = [performance.now(), cpuUsage()];
  const { tokens, elapsedMs, scanMs, readMs, restMs } = await session.read(text);
  const { user, system } = cpuUsage(cpu);
  const sections = sectionsOf(cairn, tokens);
  const each = (ms: number): string => (ms / sections).toFixed(3);
  bench.report({
    ...{ part: PART, name: `read ${name}`, ms: elapsedMs },
    ...{ rate: tokens / elapsedMs * 1000, unit: "tokens/s" },
    note: `a section ${each(elapsedMs)} ms: scan ${each(scanMs)}, bringing blocks ` +
      `${each(readMs)}, rest ${each(restMs)}; all threads of the process ` +
      `${each((user + system) / 1000)}`,
  });
  using fork = await session.fork();
  const before = fork.inspect();
  const asked = performance.now();
  const options = { temperature: 0, maxTokens: 16, remember: true };
  let first: number | undefined;
  for await (const _ of fork.generate(QUESTION, options)) first ??= performance.now() - asked;
  const [ms, after] = [performance.now() - asked, fork.inspect()];
  bench.report({
    ...{ part: PART, name: `answer ${name}`, ms },
    note: `first token after ${first?.toFixed(1)} ms; scan ${
      (after.scanMs - before.scanMs).toFixed(2)
    } ms, bringing blocks ${(after.readMs - before.readMs).toFixed(2)} ms`,
  });
  const whole = performance.now() - start;
  const rate = tokens / whole * 1000;
  bench.report({ part: PART, name: `both ${name}`, ms: whole, rate, unit: "tokens/s" });
}

/** A token at a time, each choosing its blocks, which are told or not. */
async function generate(bench: Bench, session: Session, where: string): Promise<void> {
  for (const trace of [true, false]) {
    using fork = await session.fork();
    const options = { remember: true, temperature: 0, trace };
    for await (const _ of fork.generate("The", { ...options, maxTokens: WARM })) { /* warm */ }
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
    const name = `token behind ${where}${trace ? "" : ", blocks not told"}`;
    bench.report({ part: PART, name, ms, rate: 1000 / ms, unit: "tokens/s", note });
  }
}

/** Every chunk chooses its blocks among all that are stored. */
async function choosing(bench: Bench, cairn: Cairn): Promise<void> {
  const length = bench.small ? 1024 : 32_768;
  const name = `read ${length}, choosing by chunk`;
  if (!bench.wanted(name)) return;
  using session = cairn.session({ choose: { reading: "chunk" } });
  const { tokens, elapsedMs: ms } = await session.read(textOf(bench, length));
  bench.report({ part: PART, name, ms, rate: tokens / ms * 1000, unit: "tokens/s" });
}

/** What is left where calls cost nothing and the GPU takes no time. */
async function hostAlone(bench: Bench): Promise<void> {
  const length = bench.small ? 8192 : 131_072;
  const name = `host alone, ${length}`;
  if (!bench.wanted(name)) return;
  const { gpu, calls } = standInGpu();
  using device = await openGpuDevice({ gpu });
  using cairn = await open(bench.model, { device });
  await warmUp({ ...bench, small: false }, cairn);
  using session = cairn.session();
  calls.clear();
  const { tokens, elapsedMs: ms } = await session.read(textOf(bench, length));
  const sections = sectionsOf(cairn, tokens);
  const counted = [...calls].sort(([, a], [, b]) => b - a)
    .map(([call, count]) => `${call} ${(count / sections).toFixed(1)}`);
  const note = `a section ${(ms / sections).toFixed(3)} ms; its calls: ${counted.join(", ")}`;
  bench.report({ part: PART, name, ms, rate: tokens / ms * 1000, unit: "tokens/s", note });
}

/** Where the GPU's time goes: in reading, and in tokens behind it that choose their blocks. */
async function profiled(bench: Bench): Promise<void> {
  for (const length of bench.small ? [512] : [32_768, 1_048_576]) {
    const name = `kernels of ${length}`;
    if (!bench.wanted(name)) continue;
    using device = await bench.open(true);
    using cairn = await open(bench.model, { device });
    using session = cairn.session({ budget: { device: 2 ** 24 + length * 4096, host: 2 ** 33 } });
    await session.read(textOf(bench, 512));
    await device.profile();
    const { tokens } = await session.read(textOf(bench, length));
    const sections = sectionsOf(cairn, tokens);
    await reportKernels(bench, device, { name, runs: sections, each: "a section" });
    const options = { remember: true, temperature: 0, trace: false };
    for await (const _ of session.generate("The", { ...options, maxTokens: WARM })) { /* warm */ }
    await device.profile();
    for await (const _ of session.generate(" ", { ...options, maxTokens: GENERATED })) { /* all */ }
    const behind = { name: `kernels of a token behind ${length}`, runs: GENERATED + 1 };
    await reportKernels(bench, device, { ...behind, each: "a token" });
  }
}

async function reportKernels(
  { report }: Bench,
  device: GpuDevice,
  { name, runs, each }: { name: string; runs: number; each: string },
): Promise<void> {
  const times = [...await device.profile()].sort(([, a], [, b]) => b.ms - a.ms);
  const ms = times.reduce((sum, [, { ms }]) => sum + ms, 0) / runs;
  const kernels = Object.fromEntries(
    times.map(([name, { count, ms }]) => [name, { runs: count / runs, ms: ms / runs }]),
  );
  const note = times.length === 0 ? "the adapter has no timestamps" : `GPU time alone, ${each}`;
  report({ part: PART, name, ms, kernels, note });
}

/** Passes that reading so many tokens takes, in parts. */
function sectionsOf({ config }: Cairn, tokens: number): number {
  const { blockSize, chunk } = config.landmark!;
  return tokens * blockSize / (blockSize - 1) / chunk;
}

/** The book, over and over. */
function textOf(bench: Bench, bytes: number): string {
  const book = Deno.readFileSync(bench.text);
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += book.length) all.set(book.subarray(0, bytes - at), at);
  return new TextDecoder().decode(all);
}
