import { textTokens } from "../attention/markers.ts";
import type { Marker, State } from "../attention/mechanism.ts";
import type { BlocksRead } from "../memory/read_blocks.ts";
import { sizeOf } from "../device/device.ts";
import type { Turns } from "../memory/turns.ts";
import { drawAhead } from "./draw_ahead.ts";
import { drawOneByOne, type DrawOptions, type Draws } from "./draws.ts";
import { blocksOf, pass, type ReaderParts } from "./pass.ts";

export type { ReaderParts } from "./pass.ts";

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
  /** Draws tokens behind what was read; nothing else may be asked of the reader until they are disposed. */
  draws(options: DrawOptions): Draws;
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
  const self: Reader = {
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
    draws(options) {
      if (!parts.device.info.remote) return drawOneByOne(self, options);
      return drawAhead(parts, self, options, (behind) => ({ next, blocks } = behind));
    },
    fork: () => createReader(parts, state.fork(), next),
    [Symbol.dispose]: () => state[Symbol.dispose](),
  };
  return self;
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

/** Between turns of others: a timer of no time takes 2 ms in Deno, a twenty-fifth of a section. */
const BREATH_MS = 100;

/** Lets timers, signals and sockets have their turn now and then: a CPU device never waits. */
function createBreath(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < BREATH_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    last = performance.now();
  };
}
