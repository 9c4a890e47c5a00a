/**
 * Cairn behind `fetch`, for edge runtimes: a text comes in as the body of a request, the answer to
 * a question goes out as a stream. Web APIs and the CPU kernels only; nothing is kept between
 * requests. docs/edge.md shows a whole worker.
 *
 * @example Usage
 * ```ts ignore
 * import { createHandler } from "@cairn/runtime/edge";
 * import kernels from "./relaxed.wasm";
 * import config from "./config.json.bin";
 * import weights from "./model.safetensors";
 *
 * export default createHandler({
 *   kernels,
 *   model: { "config.json": config, "model.safetensors": weights },
 * });
 * ```
 *
 * @module
 */

import { type Cairn, open } from "./cairn.ts";
import { memoryFiles } from "./io/memory_files.ts";
import { MemoryFullError } from "./memory/memory_error.ts";
import type { MemoryOptions } from "./memory/options.ts";
import { createTurns } from "./memory/turns.ts";
import type { LandmarkConfig } from "./model/attention_config.ts";
import type { ModelConfig } from "./model/config.ts";
import { TextError } from "./model/tokenizer/utf8.ts";
import type { ReadStats } from "./session/reading.ts";
import { ReadError } from "./session/read_error.ts";
import type { Session } from "./session/session.ts";

/** Options of {@linkcode createHandler}. */
export interface EdgeOptions {
  /** The kernels, build/relaxed.wasm or build/simd.wasm, as the runtime imports them. */
  kernels: WebAssembly.Module;
  /** The files of a model's folder by their names. */
  model: Readonly<Record<string, ArrayBuffer | Uint8Array>>;
  /** What everything may take together: engine, model and remembered text. @default {128 MB} */
  budgetBytes?: number;
  /** The layers that remember: fewer hold more text. @default {the model's} */
  memoryLayers?: readonly number[];
  /** Tokens of an answer, at most. @default {64} */
  maxTokens?: number;
}

/** Answers requests. */
export interface EdgeHandler {
  /**
   * `POST /?question=…` with a text as its body answers with a stream of text; with `&evict=oldest`
   * a text that is too long loses its oldest blocks, otherwise it is refused with 413. `GET /` says
   * how much text fits.
   */
  fetch(request: Request): Promise<Response>;
}

/** How much text a handler holds. */
export interface EdgeCapacity {
  /** What everything may take together. */
  readonly budgetBytes: number;
  /** That a token costs: keys and values as f16 in the layers that remember, and landmarks. */
  readonly bytesPerToken: number;
  /** Of text, landmarks aside. */
  readonly tokens: number;
}

const BUDGET_BYTES = 128e6;
/** The cache of blocks that are being read. */
const CACHE_BYTES = 4 * 2 ** 20;
/** Code, the kernels' work areas, and garbage that the engine has not collected yet. */
const RESERVE_BYTES = 59e6;
const MAX_TOKENS = 64;

/** A model that is open, and what its memory may be. */
interface Opened {
  readonly cairn: Cairn;
  readonly memory: MemoryOptions;
  readonly capacity: EdgeCapacity;
}

/** Makes a handler. The model is opened by the first request, and stays. */
export function createHandler(options: EdgeOptions): EdgeHandler {
  const { maxTokens = MAX_TOKENS } = options;
  // One text at a time: two would need the budget twice.
  const turns = createTurns();
  let opened: Promise<Opened> | undefined;
  return {
    async fetch(request) {
      try {
        const open = await (opened ??= openModel(options));
        if (request.method === "GET") return Response.json(open.capacity);
        if (request.method !== "POST") throw new HttpError(405, "The method must be GET or POST");
        return await answer(open, request, await turns.take(), maxTokens);
      } catch (error) {
        return refusal(error);
      }
    },
  };
}

async function openModel(options: EdgeOptions): Promise<Opened> {
  const { kernels: module, model, budgetBytes = BUDGET_BYTES } = options;
  const names = Object.entries(model).map(([name, bytes]) =>
    [`model/${name}`, bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)] as const
  );
  const files = memoryFiles(Object.fromEntries(names));
  const cairn = await open("model", { device: "cpu", threads: 1, module, files });
  const { kvHeads, headDim, landmark } = cairn.config;
  if (!landmark) {
    throw new TypeError(
      'Cannot serve the model as its config.json must have a "landmark": it has none',
    );
  }
  const { memoryLayers = landmark.memoryLayers } = options;
  const { blockSize } = landmark;
  // Keys and values are f16; of each block the landmark's key is kept once more, as f32.
  const numbers = memoryLayers.length * kvHeads * headDim;
  const bytesPerToken = 2 * numbers * 2 + numbers * 4 / blockSize;
  const modelBytes = names.reduce((sum, [, bytes]) => sum + bytes.length, cairn.device.bytes);
  const recent = recentBytes(cairn.config, landmark);
  const fixed = fixedBytes(cairn, { memoryLayers, budget: { device: CACHE_BYTES } });
  const free = budgetBytes - modelBytes - CACHE_BYTES - RESERVE_BYTES - recent - fixed;
  const blocks = Math.floor(free / (bytesPerToken * blockSize));
  if (blocks < 1) {
    const least = Math.ceil(budgetBytes - free + bytesPerToken * blockSize);
    throw new RangeError(
      `Cannot hold any text as budgetBytes must be at least ${least}: current value is ${budgetBytes}`,
    );
  }
  const host = blocks * blockSize * 2 * numbers * 2 + recent;
  return {
    cairn,
    memory: { memoryLayers, budget: { device: CACHE_BYTES, host } },
    capacity: { budgetBytes, bytesPerToken, tokens: blocks * (blockSize - 1) },
  };
}

/**
 * What does not grow with a text: the tokens since the last border, and the memories of mechanisms
 * that have one. Twice, as an answer is generated on a fork.
 */
function fixedBytes(cairn: Cairn, options: MemoryOptions): number {
  using session = cairn.session(options);
  const { localBytes, memoryBytes } = session.inspect();
  return 2 * (localBytes + memoryBytes);
}

/** Blocks that each layer with landmarks keeps: the last K ones, and a section's on its way in. */
function recentBytes(
  { mechanisms, kvHeads, headDim }: ModelConfig,
  { topBlocks, chunk, blockSize }: LandmarkConfig,
): number {
  const layers = mechanisms.filter((name) => name === "landmark").length;
  return (topBlocks * blockSize + chunk) * 2 * layers * kvHeads * headDim * 2;
}

/** Reads, then answers; the turn ends with the answer. */
async function answer(
  { cairn, memory, capacity }: Opened,
  request: Request,
  turn: Disposable,
  maxTokens: number,
): Promise<Response> {
  using stack = new DisposableStack();
  stack.use(turn);
  const query = new URL(request.url).searchParams;
  const question = query.get("question");
  if (!question) throw new HttpError(400, "The address must end in ?question=…");
  if (!request.body) throw new HttpError(400, "The body must be a text: it is empty");
  const evict = query.get("evict") === "oldest";
  const length = Number(request.headers.get("content-length") ?? 0);
  // A token of a byte-level model is a byte; for others this is known only when it is read.
  if (!evict && cairn.config.tokenizer === "bytes" && length > capacity.tokens) {
    throw tooLong(`${length} tokens`, capacity);
  }
  const session = stack.use(cairn.session({ ...memory, whenFull: evict ? "evict" : "error" }));
  const stats = await read(session, request.body, capacity);
  const pieces = session.generate(question, { maxTokens, trace: false });
  const owned = stack.move();
  return new Response(streamOf(pieces, owned), { headers: headersOf(stats) });
}

async function read(
  session: Session,
  body: ReadableStream<Uint8Array>,
  capacity: EdgeCapacity,
): Promise<ReadStats> {
  try {
    return await session.read(body);
  } catch (error) {
    if (error instanceof ReadError && error.cause instanceof MemoryFullError) {
      throw tooLong(`more than ${error.tokensRead} tokens`, capacity);
    }
    if (error instanceof ReadError && error.cause instanceof TextError) {
      throw new HttpError(400, error.cause.message);
    }
    throw error;
  }
}

function headersOf({ tokens, evictedBlocks }: ReadStats): Record<string, string> {
  return {
    "content-type": "text/plain; charset=utf-8",
    "cairn-tokens": `${tokens}`,
    "cairn-forgotten-blocks": `${evictedBlocks}`,
  };
}

/** Text as it is generated. What the answer holds is freed at its end, or when nobody listens. */
function streamOf(
  pieces: AsyncGenerator<{ text: string }, void, void>,
  owned: Disposable,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await pieces.next();
        if (!done) return controller.enqueue(encoder.encode(value.text));
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      owned[Symbol.dispose]();
    },
    async cancel() {
      await pieces.return();
      owned[Symbol.dispose]();
    },
  });
}

/** A request that cannot be answered. */
class HttpError extends Error {
  override name = "HttpError";
  readonly status: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

function tooLong(length: string, capacity: EdgeCapacity): HttpError {
  const message = `The text must have at most ${capacity.tokens} tokens: it has ${length}. ` +
    "Send less, or add &evict=oldest to forget its beginning";
  return new HttpError(413, message, { ...capacity });
}

function refusal(error: unknown): Response {
  const status = error instanceof HttpError ? error.status : 500;
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof HttpError ? error.details : {};
  return Response.json({ error: message, ...details }, { status });
}
