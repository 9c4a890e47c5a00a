/** A pass through the model: tokens in, logits out, and the state one step further. */

import type { Marker, State } from "../attention/mechanism.ts";
import type { BlocksRead } from "../memory/read_blocks.ts";
import { type Device, sizeOf, type Tensor } from "../device/device.ts";
import { eagerOps, type Ops } from "../device/ops.ts";
import type { Turns } from "../memory/turns.ts";
import { hiddenStates, logitsOf, type Model, rememberOnly } from "../model/transformer.ts";
import type { FeedOptions } from "./reader.ts";

/** What readers of one memory share. */
export interface ReaderParts {
  readonly device: Device;
  readonly model: Model;
  readonly marker: Marker | undefined;
  /** One pass at a time: what it forgets to make room, no other may be reading. */
  readonly passes: Turns;
}

/** Takes tokens, markers included, through the model and into the state: all, or none if it fails. */
export async function pass(
  { device, model, passes }: ReaderParts,
  state: State,
  tokens: Int32Array,
  wanted: Int32Array,
  { purpose = "reading", trace = false }: FeedOptions,
): Promise<{ logits: Float32Array; blocks: readonly BlocksRead[] }> {
  using _turn = await passes.take();
  using step = state.step(tokens.length, { purpose, trace });
  using ops = eagerOps(device);
  const ids = ops.input([tokens.length], { dtype: "i32", data: tokens });
  let logits: Float32Array = new Float32Array();
  if (wanted.length === 0) await rememberOnly(ops, model, ids, step);
  else {logits = await readLogits(
      ops,
      model,
      await hiddenStates(ops, model, ids, step.attend),
      wanted,
    );}
  await step.commit();
  return { logits, blocks: step.reads };
}

/** Logits read back at once: 64 MiB. */
const LOGITS = 2 ** 24;

async function readLogits(
  ops: Ops,
  model: Model,
  hidden: Tensor,
  wanted: Int32Array,
): Promise<Float32Array> {
  const { vocab } = model.config;
  const all = new Float32Array(sizeOf([wanted.length, vocab]));
  const rows = Math.max(1, Math.floor(LOGITS / vocab));
  for (let first = 0; first < wanted.length; first += rows) {
    const part = wanted.subarray(first, first + rows);
    const result = await ops.scope((ops) => {
      const places = ops.input([part.length], { dtype: "i32", data: part });
      return logitsOf(ops, model, ops.gather(hidden, places));
    });
    all.set(await ops.device.read(result), first * vocab);
  }
  return all;
}

/** The blocks that the token at a place of the pass read. */
export function blocksOf(blocks: readonly BlocksRead[], place: number): BlocksRead[] {
  return blocks.map(({ layer, rows, heads, k, numbers }) => {
    const from = (rows === 1 ? 0 : place) * heads * k;
    return { layer, rows: 1, heads, k, numbers: numbers.slice(from, from + heads * k) };
  });
}

/** A token's pass whose result stays on the device, and is not remembered yet. */
export interface OpenPass extends Disposable {
  /** Tokens, the marker included if one was due. */
  readonly count: number;
  /** f32 [1, V], behind the token. */
  readonly logits: Tensor;
  /** Remembers the token, and says which blocks it read. */
  commit(): Promise<BlocksRead[]>;
}

/** How a pass is opened. */
export interface OpenOptions {
  /** Tokens of the open passes before it. */
  readonly behind: number;
  readonly trace: boolean;
}

/** Whether a token, and the marker if one is due, fits behind so many that are not committed. */
export function fitsBehind(state: State, marker: Marker | undefined, behind: number): boolean {
  return state.room - behind >= countOf(state, marker, behind);
}

/** Enqueues a pass of one token, id i32 [1], which only the device needs to know. */
export async function openPass(
  { device, model, passes, marker }: ReaderParts,
  state: State,
  id: Tensor,
  { behind, trace }: OpenOptions,
): Promise<OpenPass> {
  using _turn = await passes.take();
  using stack = new DisposableStack();
  const count = countOf(state, marker, behind);
  const step = stack.use(state.step(count, { purpose: "asking", trace, behind }));
  const ops = stack.use(eagerOps(device));
  const hidden = await hiddenStates(ops, model, withMarker(ops, id, count, marker), step.attend);
  const logits = logitsOf(ops, model, device.view(hidden, 0, 1));
  const owned = stack.move();
  return {
    count,
    logits,
    async commit() {
      using _turn = await passes.take();
      await step.commit();
      return blocksOf(step.reads, 0);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function countOf(state: State, marker: Marker | undefined, behind: number): number {
  if (!marker) return 1;
  return (state.length + behind + 1) % marker.every === marker.every - 1 ? 2 : 1;
}

function withMarker(ops: Ops, id: Tensor, count: number, marker: Marker | undefined): Tensor {
  if (!marker || count === 1) return id;
  const ids = ops.input([2], { dtype: "i32", data: [0, marker.token] });
  ops.device.copy(id, ops.device.view(ids, 0, 1));
  return ids;
}
