/**
 * What reading and answering cost with the embedded model, by how much is remembered:
 *
 *   deno task bench:reading [--lengths 4096,32768,262144] [--threads 2] [--model models/tiny]
 *
 * For each length: tokens read a second (recent blocks), then the time of a generated token that
 * chooses its blocks, split into the scan of the landmarks, bringing blocks to the device, and the
 * rest; and what `inspect` says the session holds beside what the process grew by.
 */
import { parseArgs } from "node:util";
import { type Cairn, open, type Session } from "../mod.ts";

const GENERATED = 48;

const { values: options } = parseArgs({
  options: {
    lengths: { type: "string", default: "4096,32768,262144" },
    threads: { type: "string", default: "2" },
    model: { type: "string", default: "models/tiny" },
  },
});

const lengths = options.lengths.split(",").map(Number);
if (lengths.length > 1) {
  console.log(
    "  stored    read/s  choosing/s |  token   scan  blocks   rest |  holds MB  process MB",
  );
  for (const length of lengths) await measureApart(length);
} else {
  using cairn = await open(options.model, { device: "cpu", threads: Number(options.threads) });
  await readSome(cairn, 8192); // the engine compiles its kernels on the way
  await measure(cairn, lengths[0]);
}

/** Memory that a process gave up is not given back, so that each length has a process of its own. */
async function measureApart(length: number): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", import.meta.filename!].concat(
      ["--lengths", `${length}`, "--threads", options.threads, "--model", options.model],
    ),
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) Deno.exit(1);
}

/** One row of the table. */
async function measure(cairn: Cairn, length: number): Promise<void> {
  const before = await processBytes();
  using session = cairn.session();
  const { tokens, elapsedMs } = await session.read(text(length));
  const held = session.inspect().totalBytes;
  const grown = await processBytes() - before;
  const choosing = await readChoosing(cairn, session);
  const { tokenMs, scanMs, blocksMs } = await generate(session);
  console.log(
    `${cell(length, 8, 0)}${cell(tokens / elapsedMs * 1000, 10, 0)}${cell(choosing, 12, 0)} |` +
      `${cell(tokenMs, 7)}${cell(scanMs, 7)}${cell(blocksMs, 8)}` +
      `${cell(tokenMs - scanMs - blocksMs, 7)} |` +
      `${cell(held / 1e6, 10, 1)}${cell(grown / 1e6, 12, 1)}`,
  );
}

/** Tokens a second where every chunk chooses its blocks among all that are stored. */
async function readChoosing(cairn: Cairn, session: Session): Promise<number> {
  const path = await Deno.makeTempFile({ suffix: ".cairn" });
  try {
    await session.save(path);
    using choosing = await cairn.restore(path, { choose: { reading: "chunk" } });
    const { tokens, elapsedMs } = await choosing.read(text(4096));
    return tokens / elapsedMs * 1000;
  } finally {
    await Deno.remove(path);
  }
}

async function generate(session: Session) {
  using fork = await session.fork();
  for await (const _piece of fork.generate("The", { maxTokens: 4, remember: true })) { /* warm */ }
  const before = fork.inspect();
  const started = performance.now();
  let tokens = 0;
  for await (const piece of fork.generate(" ", { maxTokens: GENERATED, remember: true })) {
    tokens += piece.ids.length;
  }
  // The prompt's one token goes through the model as the others do.
  const count = tokens + 1;
  const { scanMs, readMs } = fork.inspect();
  return {
    tokenMs: (performance.now() - started) / count,
    scanMs: (scanMs - before.scanMs) / count,
    blocksMs: (readMs - before.readMs) / count,
  };
}

/** The book, over and over. */
function text(bytes: number): string {
  const book = new TextEncoder().encode(Deno.readTextFileSync("books/opticks.txt"));
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += book.length) all.set(book.subarray(0, bytes - at), at);
  return new TextDecoder().decode(all);
}

async function readSome(cairn: Cairn, bytes: number): Promise<void> {
  using session = cairn.session();
  await session.read(text(bytes));
}

/** What the process holds, after the garbage is gone as far as that can be asked for. */
async function processBytes(): Promise<number> {
  (globalThis as { gc?: () => void }).gc?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  return Deno.memoryUsage().rss;
}

function cell(value: number, width: number, digits = 2): string {
  return value.toFixed(digits).padStart(width);
}
