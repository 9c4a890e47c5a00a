import { textTokens } from "../attention/markers.ts";
import type { Marker, StateUsage } from "../attention/mechanism.ts";
import { type GenerateOptions, generation, type Piece } from "./generation.ts";
import type { MemoryOptions } from "../memory/options.ts";
import { createTurns } from "../memory/turns.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { ReadError } from "./read_error.ts";
import type { IdRange, Reader } from "./reader.ts";
import { missingBytes, readAll, type ReadOptions, type ReadStats } from "./reading.ts";
import { idsOf, type TextSource } from "./text_source.ts";

/** Options of {@linkcode Session.logits}. */
export interface LogitsOptions extends ReadOptions {
  /** Only those of the ids from this one on. @default {0} */
  from?: number;
  /** How blocks are chosen: as for reading, or as for a question. @default {"reading"} */
  purpose?: "reading" | "asking";
  /** The ids hold the landmarks already, where they belong. @default {false} */
  marked?: boolean;
}

/** What a session holds, in bytes by kind, and how much it read. */
export interface Inspection extends StateUsage {
  /** Tokens read, landmarks aside. */
  readonly tokens: number;
  /** All bytes, those shared with forks included. */
  readonly totalBytes: number;
}

/**
 * A reader with a memory. Calls on one session wait for the calls before them; forks are cheap, and
 * share what was read. Texts and ids that go in and come out never hold a landmark.
 */
export interface Session extends Disposable {
  /** Tokens read so far, landmarks aside. */
  readonly tokens: number;
  /**
   * Reads a text, or a stream of text or UTF-8 bytes, behind what was read before.
   * @throws {ReadError} If it stops half way; the session may be used.
   * @throws {MemoryFullError} Before anything is read, if it cannot fit and nothing may be forgotten.
   */
  read(text: TextSource, options?: ReadOptions): Promise<ReadStats>;
  /** The same for ids. @throws {RangeError} If one is no id of a text. */
  readIds(ids: Iterable<number>, options?: ReadOptions): Promise<ReadStats>;
  /** Reads ids, and gives the logits behind each of them: f32 [ids − from, V]. */
  logits(ids: Iterable<number>, options?: LogitsOptions): Promise<Float32Array>;
  /** Reads a prompt and goes on from it, piece by piece; on a fork, unless `remember` is set. */
  generate(prompt: string, options?: GenerateOptions): AsyncGenerator<Piece, void, void>;
  /**
   * Makes the session what it would be if it had read `text`, all its ids, which differ from those
   * it read in `from` … `to` − 1 alone; usually on a fork. Only what the change can reach is read
   * again, some layers · K blocks on both sides, however long the text is. All must have been read
   * (not asked, nor generated) with `choose.reading` at "recent".
   * @throws {RangeError} If blocks were chosen or forgotten, or if `text` is of another length.
   */
  replaceIds(
    text: Int32Array,
    change: IdRange,
    options?: Pick<ReadOptions, "signal">,
  ): Promise<void>;
  /** A session that goes on from here alone, as soon as the calls before are done. */
  fork(): Promise<Session>;
  /** What the session holds now. */
  inspect(): Inspection;
  /** Bytes that reading so many more tokens would need beyond the budget. */
  missingBytes(tokens: number): number;
  /** Writes all that the session holds to a file, whole or not at all: see `Cairn.restore`. */
  save(path: string): Promise<void>;
}

/** What a session is made of, beside its reader. */
export interface SessionParts {
  readonly config: ModelConfig;
  readonly marker: Marker | undefined;
  readonly tokenizer: Tokenizer;
  readonly options: MemoryOptions;
  /** Writes a snapshot of the reader. */
  save(reader: Reader, path: string): Promise<void>;
}

/** A session on a reader, which goes with it. */
export function createSession(parts: SessionParts, reader: Reader): Session {
  const { tokenizer, config, marker } = parts;
  const settings = { marker, whenFull: parts.options.whenFull };
  const calls = createTurns();
  let open = true;

  /** Waits for the calls before. */
  async function begin(): Promise<Disposable> {
    checkOpen(open);
    const turn = await calls.take();
    if (open) return turn;
    turn[Symbol.dispose]();
    throw closed();
  }
  const tokens = (): number => textTokens(reader.state.length, marker);
  const opening = (): number[] =>
    reader.state.length === 0 && config.beginToken !== undefined ? [config.beginToken] : [];

  return {
    get tokens() {
      return tokens();
    },
    async read(text, options = {}) {
      using _call = await begin();
      const encoder = tokenizer.encoder();
      return await readAll(reader, idsOf(text, encoder, opening()), settings, options);
    },
    async readIds(ids, options = {}) {
      const checked = checkIds(ids, config, marker);
      using _call = await begin();
      const source = { chunks: [checked], total: checked.length };
      return await readAll(reader, source, settings, options);
    },
    async logits(ids, options = {}) {
      const checked = options.marked ? Int32Array.from(ids) : checkIds(ids, config, marker);
      using _call = await begin();
      if (options.marked) checkMarked(checked, reader.state.length, config, marker);
      let done = 0;
      const onPass = (count: number): void => void (done = count);
      try {
        return await reader.feed(checked, { from: 0, ...options, onPass });
      } catch (error) {
        throw new ReadError(done, error);
      }
    },
    async replaceIds(text, change, options = {}) {
      checkIds(text.subarray(change.from, change.to), config, marker);
      using _call = await begin();
      if (text.length !== tokens()) {
        throw new RangeError(
          `Cannot replace ids as the text must have all ${tokens()} that were read: ` +
            `current value is ${text.length}`,
        );
      }
      await reader.replace(text, change, options);
    },
    generate(prompt, options = {}) {
      checkOpen(open);
      return generation(
        { config, marker, tokenizer, reader, begin, opening },
        tokenizer.encode(prompt),
        options,
      );
    },
    async fork() {
      using _call = await begin();
      return createSession(parts, reader.fork());
    },
    inspect() {
      checkOpen(open);
      const { usage, bytes } = reader.state;
      return { tokens: tokens(), totalBytes: bytes, ...usage };
    },
    missingBytes: (count) => missingBytes(reader.state, count, marker),
    async save(path) {
      using _call = await begin();
      using _pass = await reader.passes.take();
      await parts.save(reader, path);
    },
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      if (!calls.busy) return reader[Symbol.dispose]();
      // A call that runs is not cut short: what it uses goes when it is done.
      calls.take().then((turn) => {
        reader[Symbol.dispose]();
        turn[Symbol.dispose]();
      });
    },
  };
}

function checkIds(
  ids: Iterable<number>,
  { vocab }: ModelConfig,
  marker: Marker | undefined,
): Int32Array {
  const list = Array.from(ids);
  for (const [i, id] of list.entries()) {
    if (Number.isInteger(id) && id >= 0 && id < vocab && id !== marker?.token) continue;
    throw new RangeError(
      `Cannot read ids as each must be an integer in [0, ${vocab})` +
        (marker ? ` and not the landmark, ${marker.token}` : "") + `: id ${i} is ${id}`,
    );
  }
  return Int32Array.from(list);
}

function checkMarked(
  ids: Int32Array,
  length: number,
  { vocab }: ModelConfig,
  marker: Marker | undefined,
): void {
  for (const [i, id] of ids.entries()) {
    const isPlace = marker !== undefined && (length + i) % marker.every === marker.every - 1;
    if (id >= 0 && id < vocab && isPlace === (id === marker?.token)) continue;
    throw new RangeError(
      `Cannot read ids as ${isPlace ? "the landmark" : "a token of text"} must stand at ${i}: ` +
        `current value is ${id}`,
    );
  }
}

function closed(): TypeError {
  return new TypeError("Cannot use a session that was disposed");
}

function checkOpen(open: boolean): void {
  if (!open) throw closed();
}
