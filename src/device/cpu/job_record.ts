import type { Tensor } from "../device.ts";
import type { Host } from "./host.ts";

/** One call of a kernel that has too many arguments to list; what is left out is 0. */
export type Job<Field extends string> = Partial<Record<Field, number>>;

/** The record in memory by which kernels know a job. */
export interface JobRecord<Field extends string> extends Disposable {
  readonly address: number;
  /** Writes all fields. */
  write(job: Job<Field>): void;
  /** A number of bytes that a kernel wrote. */
  bytes(field: Field): number;
}

/** What a record is made of. */
export interface RecordLayout<Field extends string> {
  /** The fields of the record in asm/, in its order; four bytes each. */
  readonly fields: readonly Field[];
  /** Those that are f32: the others are integers. */
  readonly reals: readonly Field[];
  /** Room behind the fields. @default {0} */
  readonly moreBytes?: number;
}

/** Finds room for a record; it is not cleared. */
export function jobRecord<Field extends string>(
  host: Host,
  { fields, reals, moreBytes = 0 }: RecordLayout<Field>,
): JobRecord<Field> {
  const address = host.alloc(fields.length * 4 + moreBytes);
  return {
    address,
    write(job) {
      host.i32(address, fields.length).set(fields.map((name) => job[name] ?? 0));
      for (const name of reals) {
        host.f32(address + 4 * fields.indexOf(name), 1)[0] = job[name] ?? 0;
      }
    },
    bytes: (field) => host.i32(address, fields.length)[fields.indexOf(field)] >>> 0,
    [Symbol.dispose]: () => host.free(address),
  };
}

/** Where tensors lie, by their names; 0 is nowhere. */
export function addresses<Name extends string>(
  host: Host,
  tensors: Record<Name, Tensor | undefined>,
): Record<Name, number> {
  const entries = Object.entries<Tensor | undefined>(tensors);
  const places = entries.map(([name, x]) => [name, x ? host.address(x) : 0]);
  return Object.fromEntries(places);
}
