import type { Mechanism } from "./attention/mechanism.ts";
import { type Bookkeeping, openBookkeeping } from "./device/bookkeeping.ts";
import type { Device } from "./device/device.ts";
import { openDevice, type OpenDeviceOptions } from "./device/open.ts";
import { denoFiles } from "./io/deno_files.ts";
import type { Files } from "./io/files.ts";
import type { MemoryOptions } from "./memory/options.ts";
import { createTurns } from "./memory/turns.ts";
import { openCheckpoint } from "./model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "./model/config.ts";
import { mechanismOf } from "./model/mechanism_of.ts";
import { modelFingerprint } from "./model/fingerprint.ts";
import { parameterShapes } from "./model/parameters.ts";
import { loadTokenizer, type Tokenizer } from "./model/tokenizer.ts";
import type { Model } from "./model/transformer.ts";
import { createReader, type Reader } from "./session/reader.ts";
import { createSession, type Session, type SessionParts } from "./session/session.ts";
import { restoreReader, saveReader, type SnapshotParts } from "./session/session_snapshot.ts";

/** Options of {@linkcode open}. */
export interface OpenOptions extends Omit<OpenDeviceOptions, "device"> {
  /** A device by name, or one that is open already and stays so. @default {"auto"} */
  device?: OpenDeviceOptions["device"] | Device;
  /** Where the model's folder is. @default {Deno's files} */
  files?: Files | undefined;
  /** Where snapshots and file tiers go. @default {files} */
  disk?: Files | undefined;
}

/** An open model on a device. */
export interface Cairn extends Disposable {
  /** What the model looks like. */
  readonly config: ModelConfig;
  /** Text to ids and back. */
  readonly tokenizer: Tokenizer;
  /** Where it runs; `info` says what was taken. */
  readonly device: Device;
  /** Its weights, on the device. */
  readonly model: Model;
  /** How it looks back. */
  readonly mechanism: Mechanism;
  /** A session that has read nothing. @throws {RangeError} If an option is out of range. */
  session(options?: MemoryOptions): Session;
  /**
   * A session as it was saved; it goes on to the same results. Options may give it another budget
   * or other choices.
   * @throws {SnapshotError} If the file is none, cut, altered, of another version or another model.
   */
  restore(path: string, options?: MemoryOptions): Promise<Session>;
}

/**
 * Opens a model folder.
 *
 * @example Usage
 * ```ts
 * import { open } from "@cairn/runtime";
 * import { equal } from "node:assert/strict";
 *
 * using cairn = await open("models/tiny", { device: "cpu", threads: 1 });
 * using session = cairn.session();
 * const { tokens } = await session.read("In the beginning was the Word");
 * equal(tokens, 29);
 * ```
 *
 * @throws {ConfigError | CheckpointError | TokenizerError | FileError} If the folder is no model.
 * @throws {DeviceError} If the device is missing.
 */
export async function open(folder: string, options: OpenOptions = {}): Promise<Cairn> {
  const { files = denoFiles(), disk = files, device: wanted = "auto", ...rest } = options;
  using stack = new DisposableStack();
  const device = typeof wanted === "string"
    ? stack.use(await openDevice({ ...rest, device: wanted }))
    : wanted;
  const model = await loadModel(files, folder, device, stack);
  const tokenizer = await loadTokenizer(files, folder, model.config);
  const bookkeeping = await openBookkeeping(options.module);
  const { config } = model;
  const mechanism = mechanismOf(config);
  const cairn = { config, tokenizer, device, model, mechanism };
  const owned = stack.move();
  return {
    ...cairn,
    ...sessions({ ...cairn, bookkeeping, disk }),
    [Symbol.dispose]: () => owned.dispose(),
  };
}

async function loadModel(
  files: Files,
  folder: string,
  device: Device,
  stack: DisposableStack,
): Promise<Model> {
  using checkpoint = await openCheckpoint(files, folder);
  const { config } = checkpoint;
  const weights = new Map<string, ReturnType<Device["tensor"]>>();
  for (const name of parameterShapes(config).keys()) {
    const { shape, data } = await checkpoint.read(name);
    weights.set(name, stack.use(device.tensor(shape, { data })));
  }
  return { config, weights };
}

/** What sessions of one model share. */
interface Shared {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
  readonly model: Model;
  readonly mechanism: Mechanism;
  readonly bookkeeping: Bookkeeping;
  readonly disk: Files;
}

function sessions(shared: Shared): Pick<Cairn, "session" | "restore"> {
  const { config, tokenizer, device, model, mechanism, bookkeeping, disk } = shared;
  let known: Promise<string> | undefined;
  const snapshots: SnapshotParts = {
    files: disk,
    mechanism: mechanism.name,
    vocab: config.vocab,
    fingerprint: () => known ??= modelFingerprint(device, model),
  };
  const readerParts = () => ({ device, model, marker: mechanism.marker, passes: createTurns() });
  const sessionParts = (options: MemoryOptions): SessionParts => ({
    config,
    marker: mechanism.marker,
    tokenizer,
    options,
    save: (reader, path) => saveReader(snapshots, reader, path),
  });
  return {
    session(options = {}) {
      const state = mechanism.state(device, { ...options, bookkeeping, files: disk });
      return createSession(sessionParts(options), createReader(readerParts(), state));
    },
    async restore(path, options = {}) {
      const reader: Reader = await restoreReader(snapshots, path, async (saved, next) => {
        const state = await mechanism.restore(device, saved, {
          ...options,
          bookkeeping,
          files: disk,
        });
        return createReader(readerParts(), state, next);
      });
      return createSession(sessionParts(options), reader);
    },
  };
}
