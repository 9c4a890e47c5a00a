import { markedTokens } from "../attention/markers.ts";
import type { Marker, State, StateUsage } from "../attention/mechanism.ts";
import { MemoryFullError } from "../memory/memory_error.ts";
import type { MemoryOptions } from "../memory/options.ts";
import { ReadError } from "./read_error.ts";
import type { Reader } from "./reader.ts";
import type { TextIds } from "./text_source.ts";

/** How far a read has come. */
export interface ReadProgress {
  /** Tokens read by this call, landmarks aside. */
  readonly tokens: number;
  /** Tokens in all, if that is known. */
  readonly total: number | undefined;
  /** Since the call began. */
  readonly tokensPerSecond: number;
}

/** Options of {@linkcode Session.read}. */
export interface ReadOptions {
  /** Ends the read at the next border. */
  signal?: AbortSignal | undefined;
  /** Called behind every chunk. */
  onProgress?: ((progress: ReadProgress) => void) | undefined;
}

/** What a read came to. */
export interface ReadStats {
  /** Tokens read by this call, landmarks aside. */
  readonly tokens: number;
  /** The three below together. */
  readonly elapsedMs: number;
  /** Time spent looking for blocks. */
  readonly scanMs: number;
  /** Time spent bringing blocks to the device. */
  readonly readMs: number;
  /** All other time: the model itself, mostly. */
  readonly restMs: number;
  /** Blocks that went from the host to the file during this call. */
  readonly demotedBlocks: number;
  /** Blocks that were forgotten during this call. */
  readonly evictedBlocks: number;
  /** What the session holds now. */
  readonly memory: StateUsage;
}

/** What reading needs to know of its session. */
export interface ReadSettings {
  readonly marker: Marker | undefined;
  readonly whenFull: MemoryOptions["whenFull"];
}

/** Reads all ids, one pass for each chunk. @throws {ReadError} If it stops half way. */
export async function readAll(
  reader: Reader,
  { chunks, total }: TextIds,
  { marker, whenFull }: ReadSettings,
  { signal, onProgress }: ReadOptions,
): Promise<ReadStats> {
  const before = reader.state.usage;
  const started = performance.now();
  if (total !== undefined && whenFull === "error") checkFits(reader.state, total, marker);
  let done = 0;
  const feed = async (ids: Int32Array, goesOn: boolean): Promise<void> => {
    const from = done;
    await reader.feed(ids, {
      signal,
      goesOn,
      onPass(count) {
        done = from + count;
        const tokensPerSecond = done / (performance.now() - started) * 1000;
        onProgress?.({ tokens: done, total, tokensPerSecond });
      },
    });
  };
  try {
    let pending = new Int32Array(0);
    for await (const ids of chunks) {
      signal?.throwIfAborted();
      pending = joined(pending, ids);
      // Whole chunks only, however the text was cut, and never the last id: the end of the text
      // is where the model foretells what comes next.
      for (let room = reader.room; pending.length > room; room = reader.room) {
        await feed(pending.subarray(0, room), true);
        pending = pending.subarray(room);
      }
    }
    await feed(pending, false);
  } catch (error) {
    throw new ReadError(done, error);
  }
  return statsOf(before, reader.state.usage, done, performance.now() - started);
}

function statsOf(
  before: StateUsage,
  memory: StateUsage,
  tokens: number,
  elapsedMs: number,
): ReadStats {
  const scanMs = memory.scanMs - before.scanMs;
  const readMs = memory.readMs - before.readMs;
  return {
    tokens,
    elapsedMs,
    scanMs,
    readMs,
    restMs: elapsedMs - scanMs - readMs,
    demotedBlocks: memory.demotedBlocks - before.demotedBlocks,
    evictedBlocks: memory.evictedBlocks - before.evictedBlocks,
    memory,
  };
}

function joined(a: Int32Array, b: Int32Array): Int32Array<ArrayBuffer> {
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Bytes that so many tokens, landmarks aside, need beyond the budget. */
export function missingBytes(state: State, tokens: number, marker: Marker | undefined): number {
  return state.missingBytes(markedTokens(tokens, marker));
}

function checkFits(state: State, tokens: number, marker: Marker | undefined): void {
  const missing = missingBytes(state, tokens, marker);
  if (missing === 0) return;
  throw new MemoryFullError(
    `Cannot read ${tokens} tokens as the budget must hold them and whenFull is "error": ` +
      `${missing} bytes are missing`,
    missing,
  );
}
