import { textTokens } from "../attention/markers.ts";
import type { BlocksRead, Marker, State } from "../attention/mechanism.ts";
import { type Device, sizeOf, type Tensor } from "../device/device.ts";
import { eagerOps, type Ops } from "../device/ops.ts";
import type { Turns } from "../memory/turns.ts";
import { hiddenStates, logitsOf, type Model, rememberOnly } from "../model/transformer.ts";

/** What readers of one memory share. */
export interface ReaderParts {
  readonly device: Device;
  readonly model: Model;
  readonly marker: Marker | undefined;
  /** One pass at a time: what it forgets to make room, no other may be reading. */
  readonly passes: Turns;
}

/** How ids go through the model. */
export interface FeedOptions {
  /** @default {"reading"} */
  purpose?: "reading" | "asking";
  /** Keep which blocks the last id read. @default {false} */
  trace?: boolean;
  /** Logits of the ids from this one on are wanted. @default {none} */
  from?: number;
  /** More ids follow at once, so that nobody asks what comes next. @default {false} */
  goesOn?: boolean;
  /** The ids hold the markers already, as they must stand. @default {false} */
  marked?: boolean;
  signal?: AbortSignal | undefined;
  /** Called behind every pass with the ids that are remembered. */
  onPass?: ((ids: number) => void) | undefined;
}

/** A part of a text, by its ids. */
export interface IdRange {
  /** The first id that is another. */
  readonly from: number;
  /** One more than the last one. */
  readonly to: number;
}

/** One text on its way through the model: its state, and what the model foretells behind it. */
export interface Reader extends Disposable {
  readonly state: State;
  /** Who takes the turn keeps the forks from changing what is shared. */
  readonly passes: Turns;
  /** f32 [V], of the last id: what may come next. `undefined` if nothing was read, or a call failed. */
  readonly next: Float32Array | undefined;
  /** The blocks that the last id read, if it was traced. */
  readonly blocks: readonly BlocksRead[];
  /** How many ids fit before the next border. */
  readonly room: number;
  /** Reads ids, one pass up to each border; returns the logits that are wanted, [ids, V]. */
  feed(ids: Int32Array, options?: FeedOptions): Promise<Float32Array>;
  /**
   * Makes the reader what it would be if it had read `text`, which differs from what it read in the
   * ids `from` … `to` − 1 alone.
   */
  replace(text: Int32Array, change: IdRange, options?: Pick<FeedOptions, "signal">): Promise<void>;
  /** A reader that goes on from here alone. */
  fork(): Reader;
}

/** A reader that goes on behind what `state` holds; the state goes with it. */
export function createReader(
  parts: ReaderParts,
  state: State,
  start?: Float32Array | undefined,
): Reader {
  const { marker, model: { config: { vocab } } } = parts;
  const breathe = createBreath();
  let next = start;
  let blocks: readonly BlocksRead[] = [];
  const idsBeforeBorder = (marked: boolean): number =>
    marked || !marker ? state.room : roomForIds(state, marker);
  return {
    state,
    passes: parts.passes,
    get next() {
      return next;
    },
    get blocks() {
      return blocks;
    },
    get room() {
      return idsBeforeBorder(false);
    },
    async feed(ids, options = {}) {
      const { from = ids.length, marked = false, goesOn = false, signal, onPass } = options;
      const logits = new Float32Array(sizeOf([Math.max(0, ids.length - from), vocab]));
      if (ids.length > 0) next = undefined;
      for (let at = 0; at < ids.length;) {
        await breathe();
        signal?.throwIfAborted();
        const count = Math.min(idsBeforeBorder(marked), ids.length - at);
        const part = ids.subarray(at, at + count);
        const text = marked ? asTheyAre(part) : withMarkers(part, state.length, marker);
        const isLast = !goesOn && at + count === ids.length;
        const first = Math.max(0, Math.min(from - at, isLast ? count - 1 : count));
        const wanted = text.places.subarray(first);
        const result = await pass(parts, state, text.tokens, wanted, options);
        const kept = Math.max(at, from);
        if (at + count > kept) {
          logits.set(result.logits.subarray(-(at + count - kept) * vocab), (kept - from) * vocab);
        }
        at += count;
        if (isLast) {
          next = result.logits.slice(-vocab);
          blocks = blocksOf(result.blocks, wanted[wanted.length - 1]);
        }
        onPass?.(at);
      }
      return logits;
    },
    async replace(text, { from, to }, options = {}) {
      await state.replace(
        { from: placeOf(from, marker), to: placeOf(to - 1, marker) + 1 },
        async (other, start, end) => {
          const reader = createReader(parts, other);
          const goesOn = end < state.length;
          const part = text.subarray(textTokens(start, marker), textTokens(end, marker));
          await reader.feed(part, { ...options, goesOn });
          if (!goesOn) next = reader.next;
        },
      );
    },
    fork: () => createReader(parts, state.fork(), next),
    [Symbol.dispose]: () => state[Symbol.dispose](),
  };
}

/** Ids as they are read, the mechanism's markers put in. */
export interface Marked {
  readonly tokens: Int32Array;
  /** Where each id of the text stands among them. */
  readonly places: Int32Array;
}

/**
 * Puts markers where they belong, each directly behind the token before it, for a text that goes
 * on after `length` tokens.
 */
export function withMarkers(ids: Int32Array, length: number, marker: Marker | undefined): Marked {
  const tokens: number[] = [];
  const places = new Int32Array(ids.length);
  for (const [i, id] of ids.entries()) {
    places[i] = tokens.push(id) - 1;
    if (marker && (length + tokens.length) % marker.every === marker.every - 1) {
      tokens.push(marker.token);
    }
  }
  return { tokens: Int32Array.from(tokens), places };
}

/** Where an id stands among ids and markers. */
function placeOf(id: number, marker: Marker | undefined): number {
  return marker ? id + Math.floor(id / (marker.every - 1)) : id;
}

function asTheyAre(tokens: Int32Array): Marked {
  return { tokens, places: Int32Array.from(tokens.keys()) };
}

function roomForIds({ length, room }: State, { every }: Marker): number {
  return room - (Math.floor((length + room) / every) - Math.floor(length / every));
}

/** Takes tokens, markers included, through the model and into the state: all, or none if it fails. */
async function pass(
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
function blocksOf(blocks: readonly BlocksRead[], place: number): BlocksRead[] {
  return blocks.map(({ layer, rows, heads, k, numbers }) => {
    const from = (rows === 1 ? 0 : place) * heads * k;
    return { layer, rows: 1, heads, k, numbers: numbers.slice(from, from + heads * k) };
  });
}

const BREATH_MS = 30;

/** Lets timers, signals and sockets have their turn now and then: a CPU device never waits. */
function createBreath(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < BREATH_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    last = performance.now();
  };
}
