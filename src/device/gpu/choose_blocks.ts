import meritsSource from "../../../wgsl/choose_blocks_merits.wgsl" with { type: "text" };
import sumsSource from "../../../wgsl/choose_blocks_sums.wgsl" with { type: "text" };
import chooseSource from "../../../wgsl/choose_blocks.wgsl" with { type: "text" };
import { checkChoice } from "../choose_blocks.ts";
import type { Granularity, Tensor } from "../device.ts";
import { type GpuHost, spread } from "./host.ts";

const choose = { name: "choose_blocks", source: chooseSource };
const sums = { name: "choose_blocks_sums", source: sumsSource };
const merits = { name: "choose_blocks_merits", source: meritsSource };

const THREADS = 256;
/** Places that each thread may keep. */
const EACH = [1, 4, 16] as const;
/** Places of the largest part. */
const PART = THREADS * EACH[2];
/** The most that are chosen by parts, whose best are then chosen from. */
const LIST = 1024;

/** The k best blocks, by time; wgsl/choose_blocks.wgsl. */
export function chooseBlocks(
  host: GpuHost,
  scores: Tensor,
  chosen: Tensor,
  { by }: { by: Granularity },
): void {
  const { T, H, n, k } = checkChoice({ scores, chosen }, by);
  if (T === 0) return;
  if (by === "token") return chooseBest(host, scores, chosen, { sets: T * H, n, k });
  using shared = sharedMerits(host, scores, { T, H, n }, by);
  chooseBest(host, shared, chosen, { sets: shared.shape[0], n, k });
}

/** Merits [H, n] of a choice for all tokens, or [T, n] of one for all heads. */
function sharedMerits(
  host: GpuHost,
  scores: Tensor,
  { T, H, n }: Record<"T" | "H" | "n", number>,
  by: "chunk" | "heads",
): Tensor {
  // Sets, the rows of scores in each, from one set to the next, from one of these rows to the next.
  const layout = by === "chunk" ? [H, T, 1, H] : [T, H, H, 1];
  const [sets, ...rows] = layout;
  using rowSums = host.tensor([T, H], { zero: false });
  host.run(sums, { tensors: [scores, rowSums], params: [T * H, n], groups: spread(host, T * H) });
  const out = host.tensor([sets, n], { zero: false });
  host.run(merits, {
    tensors: [scores, rowSums, out],
    params: [sets, n, ...rows],
    groups: [Math.ceil(n / 64), ...spread(host, sets)],
  });
  return out;
}

/** chosen [sets, k] of merits [sets, n]: the best of all parts, then the best of those, and so on. */
function chooseBest(
  host: GpuHost,
  merits: Tensor,
  chosen: Tensor,
  { sets, n, k }: Record<"sets" | "n" | "k", number>,
): void {
  using stack = new DisposableStack();
  let candidates: Tensor | undefined;
  let count = n;
  while (true) {
    const whole = k > LIST;
    const parts = whole ? 1 : Math.ceil(count / PART);
    const out = parts === 1
      ? chosen
      : stack.use(host.tensor([sets, parts * k], { dtype: "i32", zero: false }));
    host.run(choose, {
      tensors: [merits, candidates ?? merits, out],
      params: [sets, n, count, parts, k],
      constants: {
        EACH: EACH.find((each) => count <= THREADS * each) ?? EACH[2],
        WHOLE: Number(whole),
        CANDIDATES: Number(candidates !== undefined),
      },
      groups: spread(host, sets * parts),
    });
    if (parts === 1) return;
    candidates = out;
    count = parts * k;
  }
}
