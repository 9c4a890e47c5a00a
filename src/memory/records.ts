/** Tensors as records of a snapshot. */

import { type Device, sizeOf, type Tensor } from "../device/device.ts";
import { SnapshotError } from "./memory_error.ts";

/** Records that are read one after another. */
export type Records = AsyncIterator<Uint8Array>;

/** Bytes of a number as a device reads it. */
export function numberBytesOf({ info }: Device): 4 | 8 {
  return info.kind === "reference" ? 8 : 4;
}

/** The numbers of a tensor as bytes. */
export async function recordOf(device: Device, x: Tensor): Promise<Uint8Array> {
  const { buffer, byteOffset, byteLength } = await device.read(x);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The next record. @throws {SnapshotError} If there is none, or one of another length. */
export async function nextRecord(records: Records, length: number): Promise<Uint8Array> {
  const { done, value } = await records.next();
  if (!done && value.length === length) return value;
  const found = done ? "none" : `one of ${value.length} bytes`;
  throw new SnapshotError(
    `Cannot restore a memory as a record of ${length} bytes must follow: current value is ${found}`,
  );
}

/** The next record as the numbers of a tensor's shape. @throws {SnapshotError} */
export async function nextNumbers(
  records: Records,
  { shape }: Pick<Tensor, "shape">,
  numberBytes: 4 | 8,
): Promise<Float32Array | Float64Array> {
  const { buffer } = (await nextRecord(records, sizeOf(shape) * numberBytes)).slice();
  return numberBytes === 8 ? new Float64Array(buffer) : new Float32Array(buffer);
}

/**
 * Holds what a saved state says of itself against what it must be.
 *
 * @throws {SnapshotError} With the first field that does not fit.
 */
export function checkAbout(
  about: Readonly<Record<string, unknown>>,
  what: string,
  checks: readonly (readonly [name: string, holds: boolean])[],
): void {
  for (const [name, holds] of checks) {
    if (holds) continue;
    throw new SnapshotError(
      `Cannot restore ${what} as its "${name}" does not fit: ` +
        `current value is ${JSON.stringify(about[name])}`,
    );
  }
}

/** Whether a field is a whole number of at least 0. */
export function isCount(x: unknown): x is number {
  return Number.isSafeInteger(x) && (x as number) >= 0;
}
