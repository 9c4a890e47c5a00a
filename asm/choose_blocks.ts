// choose_blocks: the k best of n merits, by time; of equals the later one is better.
//
//   scores   f32 [T, H, n]             in
//   chosen   i32 [T|1, H|1, k]         out
//   work     f32 [threads, n + k + 16] work
//
// Sets are made from rows of scores: one row each for a choice by token, and its scores are the
// merits; all tokens of a head for one by chunk, all heads of a token for one by heads, and a merit
// is then the largest over these rows of the softmax of a row. Its logarithm, score − log Σ exp,
// gives the same order. Parts share the sets.

import { exp4, logOf } from "./math";
import { rowMax } from "./row_softmax";
import { storeTail, sumLanes } from "./simd";
import { shareOf } from "./thread";

/** Makes `sets` sets, each of `rows` rows; setStep and rowStep say how many rows of scores apart. */
export function chooseBlocks(
  part: u32,
  parts: u32,
  scores: usize,
  chosen: usize,
  sets: u32,
  setStep: u32,
  rows: u32,
  rowStep: u32,
  n: u32,
  k: u32,
  shared: bool,
  work: usize,
): void {
  const heap = shareOf(work, chooseScratch(n, k)), merits = heap + ((k + 8) << 2);
  for (let i = part; i < sets; i += parts) {
    const first = scores + ((i * setStep * n) << 2), out = chosen + ((i * k) << 2);
    if (!shared) {
      choose(first, n, k, out, heap);
    } else {
      for (let r: u32 = 0; r < rows; r++) {
        addRow(first + ((r * rowStep * n) << 2), n, merits, r == 0);
      }
      choose(merits, n, k, out, heap);
    }
  }
}

/** Bytes of work for each thread. */
export function chooseScratch(n: u32, k: u32): u32 {
  return ((n + k + 16) << 2) & ~15;
}

/** merits = max(merits, log softmax(row)). */
function addRow(row: usize, n: u32, merits: usize, isFirst: bool): void {
  const shift = f32x4.splat(logSumExp(row, n));
  let j: u32 = 0;
  for (; j + 4 <= n; j += 4, row += 16, merits += 16) {
    const merit = f32x4.sub(v128.load(row), shift);
    v128.store(merits, isFirst ? merit : f32x4.pmax(v128.load(merits), merit));
  }
  if (j < n) {
    const merit = f32x4.sub(v128.load(row), shift);
    storeTail(merits, isFirst ? merit : f32x4.pmax(v128.load(merits), merit), n - j);
  }
}

function logSumExp(row: usize, n: u32): f32 {
  const most = rowMax(row, n), shift = f32x4.splat(most);
  let sum = f32x4.splat(0), j: u32 = 0;
  for (; j + 4 <= n; j += 4, row += 16) {
    sum = f32x4.add(sum, exp4(f32x4.sub(v128.load(row), shift)));
  }
  let rest: f32 = 0;
  for (; j < n; j++, row += 4) {
    rest += f32x4.extract_lane(exp4(f32x4.sub(v128.load32_splat(row), shift)), 0);
  }
  return most + logOf(sumLanes(sum) + rest);
}

/** The k best of n merits: a heap finds how good the worst of them is, a second pass who they are. */
function choose(merits: usize, n: u32, k: u32, out: usize, heap: usize): void {
  if (k == n) {
    for (let j: u32 = 0; j < n; j++) store<u32>(out + (j << 2), j);
    return;
  }
  fillHeap(merits, n, k, heap);
  const worst = load<f32>(heap);
  let ties = k;
  for (let i: u32 = 0; i < k; i++) if (load<f32>(heap + (i << 2)) > worst) ties--;

  let left = k;
  for (let j = n; j > 0 && left > 0; j--) {
    const merit = load<f32>(merits + ((j - 1) << 2));
    if (merit > worst || (merit == worst && ties > 0)) {
      if (merit == worst) ties--;
      store<u32>(out + (--left << 2), j - 1);
    } else {
      j = skipWorse(merits, j - 1, worst) + 1;
    }
  }
  // Merits that are no numbers leave places over; what stands there must still be a block.
  while (left > 0) store<u32>(out + (--left << 2), left);
}

/** The end of the merits before `end` whose last four are not all worse. */
function skipWorse(merits: usize, end: u32, worst: f32): u32 {
  const limit = f32x4.splat(worst);
  while (end >= 4 && !v128.any_true(f32x4.ge(v128.load(merits + ((end - 4) << 2)), limit))) {
    end -= 4;
  }
  return end;
}

/** heap [k] = the k largest, the smallest of them first. */
function fillHeap(merits: usize, n: u32, k: u32, heap: usize): void {
  memory.copy(heap, merits, k << 2);
  for (let i = k >> 1; i > 0; i--) sink(heap, k, i - 1, load<f32>(heap + ((i - 1) << 2)));
  let j = k;
  for (; j + 4 <= n; j += 4) {
    const four = v128.load(merits + (j << 2));
    if (!v128.any_true(f32x4.gt(four, v128.load32_splat(heap)))) continue;
    for (let i: u32 = 0; i < 4; i++) offer(heap, k, load<f32>(merits + ((j + i) << 2)));
  }
  for (; j < n; j++) offer(heap, k, load<f32>(merits + (j << 2)));
}

function offer(heap: usize, k: u32, merit: f32): void {
  if (merit > load<f32>(heap)) sink(heap, k, 0, merit);
}

/** Puts a merit at place i, or below it, where it belongs. */
function sink(heap: usize, k: u32, i: u32, merit: f32): void {
  while (true) {
    let child: u32 = 2 * i + 1;
    if (child >= k) break;
    let below = load<f32>(heap + (child << 2));
    if (child + 1 < k && load<f32>(heap + (child << 2), 4) < below) {
      below = load<f32>(heap + (++child << 2));
    }
    if (below >= merit) break;
    store<f32>(heap + (i << 2), below);
    i = child;
  }
  store<f32>(heap + (i << 2), merit);
}
