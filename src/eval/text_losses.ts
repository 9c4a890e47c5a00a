/** How well a model foretells a text: the loss of every token, by how far it may look back. */

import type { Session } from "../session/session.ts";
import type { TrainingBatch } from "../train/data/batch.ts";
import { makeRows, sequenceLength } from "../train/data/rows.ts";
import { forward, type Learner } from "../train/pass.ts";

/** The loss of each token of a text in nats; the first one cannot be foretold, and has 0. */
export type TextLosses = Float64Array;

/** Options of {@linkcode windowLosses}. */
export interface WindowOptions {
  /** Tokens a window, landmarks included: a multiple of the block size. */
  length: number;
  /** Tokens from one window's start to the next one's, landmarks aside. @default {all of a window} */
  stride?: number;
  /** Windows at once. @default {8} */
  batch?: number;
  signal?: AbortSignal | undefined;
  /** Called with the tokens done so far. */
  onProgress?: ((tokens: number) => void) | undefined;
}

/**
 * Losses with windows that see nothing before them: dense attention inside each. Where windows
 * overlap, a token's loss is that of the first window that holds it, in which it has the most
 * before it.
 *
 * @param ids The text, without landmarks.
 */
export async function windowLosses(
  learner: Learner,
  ids: Int32Array,
  options: WindowOptions,
): Promise<TextLosses> {
  const { length, batch = 8, signal, onProgress } = options;
  const { marker } = learner.mechanism;
  const span = sequenceLength(length, marker) - 1;
  const { stride = span } = options;
  if (!(stride >= 1 && stride <= span)) {
    throw new RangeError(
      `Cannot slide the window as stride must be in [1, ${span}]: current value is ${stride}`,
    );
  }
  const losses = new Float64Array(ids.length);
  let done = 1;
  const starts = windowStarts(ids.length, span, stride);
  for (let first = 0; first < starts.length; first += batch) {
    signal?.throwIfAborted();
    const group = starts.slice(first, first + batch);
    const rows = makeRows(group.map((start) => windowAt(ids, start, span)), { length, marker });
    const whole: TrainingBatch = { ...rows, nameless: new Uint8Array(0), negatives: undefined };
    const pass = await forward(learner, whole);
    for (const [row, start] of group.entries()) {
      let token = start;
      for (let t = row * length; t < (row + 1) * length; t++) {
        if (rows.weights[t] === 0) continue; // a landmark, or beyond the text
        if (++token >= done) losses[token] = pass.losses[t];
      }
      done = token + 1;
    }
    onProgress?.(Math.min(ids.length, group.at(-1)! + span));
  }
  return losses;
}

/** Where windows start, so that every token after the first is somebody's target. */
function windowStarts(tokens: number, span: number, stride: number): number[] {
  const starts = [0];
  for (let start = 0; start + span < tokens - 1;) starts.push(start += stride);
  return starts;
}

function windowAt(ids: Int32Array, start: number, span: number) {
  const tokens = new Int32Array(span + 1);
  const weights = new Float32Array(span + 1);
  const part = ids.subarray(start, start + span + 1);
  tokens.set(part);
  weights.fill(1, 0, part.length); // beyond the text nothing is asked
  return { kind: "text" as const, tokens, weights, nameless: new Uint8Array(span + 1) };
}

/** Options of {@linkcode sessionLosses}. */
export type ReadLossOptions = Pick<WindowOptions, "signal" | "onProgress">;

/** Ids whose logits are held at once: for 260 of them a token, 8 MB. */
const IDS_AT_ONCE = 8192;

/** Losses as a session with a memory reads the text. @param session Has read nothing yet. */
export async function sessionLosses(
  session: Session,
  ids: Int32Array,
  options: ReadLossOptions = {},
): Promise<TextLosses> {
  const { signal, onProgress } = options;
  const losses = new Float64Array(ids.length);
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    const part = ids.subarray(at, at + IDS_AT_ONCE);
    const logits = await session.logits(part, { signal });
    const vocab = logits.length / part.length;
    for (let i = 0; i < part.length && at + i + 1 < ids.length; i++) {
      const row = logits.subarray(i * vocab, (i + 1) * vocab);
      losses[at + i + 1] = lossOf(row, ids[at + i + 1]);
    }
    onProgress?.(at + part.length);
  }
  return losses;
}

/** −log softmax(logits)[target] */
function lossOf(logits: Float32Array, target: number): number {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum) - logits[target];
}
