import type { SavedState } from "../attention/mechanism.ts";
import type { Files } from "../io/files.ts";
import { SnapshotError } from "../memory/memory_error.ts";
import { openSnapshot, writeSnapshot } from "../memory/snapshot.ts";
import type { Reader } from "./reader.ts";

/** What sessions of one model need to be saved and restored. */
export interface SnapshotParts {
  readonly files: Files;
  /** The mechanism's name. */
  readonly mechanism: string;
  readonly vocab: number;
  /** What tells the model from every other. */
  fingerprint(): Promise<string>;
}

/** Writes what a reader holds: first the logits of what comes next, then its state. */
export async function saveReader(
  parts: SnapshotParts,
  reader: Reader,
  path: string,
): Promise<void> {
  const { about, records } = reader.state.save();
  const { files, mechanism, fingerprint } = parts;
  const { next } = reader;
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield next ? new Uint8Array(next.slice().buffer) : new Uint8Array(0);
    yield* records;
  };
  await writeSnapshot(files, path, { model: await fingerprint(), mechanism, state: about }, all());
}

/** Reads back what {@linkcode saveReader} wrote. @throws {SnapshotError} */
export async function restoreReader(
  { files, mechanism, vocab, fingerprint }: SnapshotParts,
  path: string,
  build: (saved: SavedState, next: Float32Array | undefined) => Promise<Reader>,
): Promise<Reader> {
  using snapshot = await openSnapshot(files, path);
  const { about } = snapshot;
  if (about.mechanism !== mechanism) {
    throw new SnapshotError(
      `Cannot restore "${path}" as its mechanism must be "${mechanism}": ` +
        `current value is ${JSON.stringify(about.mechanism)}`,
    );
  }
  if (about.model !== await fingerprint()) {
    throw new SnapshotError(`Cannot restore "${path}" as it is of another model`);
  }
  const records = snapshot.records();
  const { value: first } = await records.next();
  if (!first || first.length % (vocab * 4) !== 0 || first.length > vocab * 4) {
    throw new SnapshotError(`Cannot restore "${path}" as its first record must hold logits`);
  }
  const next = first.length === 0 ? undefined : new Float32Array(first.slice().buffer);
  const state = about.state as SavedState["about"];
  const reader = await build({ about: state, records }, next);
  try {
    // Whatever follows is checked too, and must be nothing.
    if (!(await records.next()).done) {
      throw new SnapshotError(`Cannot restore "${path}" as it holds more than its state`);
    }
    return reader;
  } catch (error) {
    reader[Symbol.dispose]();
    throw error;
  }
}
