/**
 * Landmark attention beside the authors' eager PyTorch, forward and backward, in one run:
 *
 *   deno task bench:attention [CLONE] [--threads 1,2] [--tokens 2048] [--python python3]
 *
 * CLONE is a checkout of the authors' repository (github epfml/landmark-attention); PyTorch comes
 * from Debian (`python3-torch`) or PyPI. Without a clone their row says "not measured".
 * Operations are counted as 4·D forward and 10·D backward for each (query, key) pair with
 * key ≤ query and each head.
 */
import { parseArgs } from "node:util";
import { regularLandmarks } from "../src/attention/landmark/regular_landmarks.ts";
import type { Device, Tensor } from "../src/device/device.ts";
import { openDevice } from "../src/device/open.ts";

const HEADS = 8;
const WIDTH = 64;
const BLOCK = 64;

interface Timing {
  forwardMs: number;
  forwardBackwardMs: number;
}

const { values: options, positionals: [clone] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1,2" },
    tokens: { type: "string", default: "2048" },
    python: { type: "string", default: "python3" },
  },
});

console.log(`landmark attention, f32, ${HEADS} heads, width ${WIDTH}, blocks of ${BLOCK}; medians`);
for (const threads of options.threads.split(",").map(Number)) {
  for (const tokens of options.tokens.split(",").map(Number)) {
    const ours = await measureOurs(threads, tokens);
    report("Cairn", threads, tokens, ours);
    const theirs = clone === undefined ? undefined : await measureTheirs(clone, threads, tokens);
    report("authors, eager PyTorch", threads, tokens, theirs);
    if (theirs === undefined) continue;
    const forward = (theirs.forwardMs / ours.forwardMs).toFixed(1);
    const both = (theirs.forwardBackwardMs / ours.forwardBackwardMs).toFixed(1);
    console.log(`${"".padEnd(44)}${forward.padStart(8)} ×${both.padStart(25)} ×`);
  }
}

function report(who: string, threads: number, tokens: number, timing: Timing | undefined): void {
  const pairs = HEADS * tokens * (tokens + 1) / 2;
  const rate = (ms: number, operations: number): string =>
    `${ms.toFixed(1).padStart(8)} ms ${
      (pairs * operations * WIDTH / ms / 1e6).toFixed(1).padStart(6)
    }`;
  const text = timing === undefined
    ? "not measured"
    : `forward ${rate(timing.forwardMs, 4)} GFLOP/s, with backward ${
      rate(timing.forwardBackwardMs, 14)
    } GFLOP/s`;
  console.log(`${who.padEnd(24)} ${tokens} tokens, ${threads} threads: ${text}`);
}

async function measureOurs(threads: number, tokens: number): Promise<Timing> {
  using stack = new DisposableStack();
  const device = stack.use(await openDevice({ device: "cpu", threads }));
  const random = (): Tensor =>
    stack.use(device.tensor([1, tokens, HEADS, WIDTH], { data: noise(tokens * HEADS * WIDTH) }));
  const zero = (): Tensor => stack.use(device.tensor([1, tokens, HEADS, WIDTH]));
  const [q, k, v, dOut] = [random(), random(), random(), random()];
  const gradients = { q: zero(), k: zero(), v: zero() };
  const out = zero();
  const top = stack.use(device.tensor([1, tokens, HEADS]));
  const blocks = stack.use(
    device.blocks({ isLandmark: regularLandmarks(tokens, BLOCK) }, 1, tokens),
  );
  const forward = (): void => device.landmarkAttention(q, k, v, blocks, out, top);
  const backward = (): void =>
    device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients);
  const forwardMs = await median(device, out, forward);
  const backwardMs = await median(device, gradients.q, backward);
  return { forwardMs, forwardBackwardMs: forwardMs + backwardMs };
}

/** The median of nine runs, after eight to warm up; a read ends each. */
async function median(device: Device, result: Tensor, run: () => void): Promise<number> {
  const times: number[] = [];
  for (let i = -8; i < 9; i++) {
    const start = performance.now();
    run();
    await device.read(device.view(result, 0, 1));
    if (i >= 0) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

async function measureTheirs(
  clone: string,
  threads: number,
  tokens: number,
): Promise<Timing | undefined> {
  const script = new URL("peers/authors_attention.py", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(options.python, {
    args: [script, clone, ...[HEADS, tokens, WIDTH, BLOCK, threads].map(String)],
  }).output();
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  console.log(`  not measured: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`);
  return undefined;
}

/** Numbers in [−1, 1) that are the same every time (Lehmer's generator). */
function noise(length: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = state * 48271 % 2147483647;
    return state / 1073741824 - 1;
  });
}
