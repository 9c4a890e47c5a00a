/** Golden cases: files of inputs and results that an independent program computed. */

import type { Device } from "../../src/device/device.ts";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type HostTensor, readSafetensors } from "../../src/model/checkpoint/safetensors.ts";
import type { Tolerance } from "../close.ts";
import { infiniKind } from "./infini_kind.ts";
import { landmarkKind } from "./landmark_kind.ts";
import { windowKind } from "./window_kind.ts";

/** A kind of case: which mechanism it is for, told by its tensors. */
export interface GoldenKind {
  readonly name: string;
  /** Tensors that every case of the kind has. */
  readonly required: readonly string[];
  /** Sets of further tensors; a case has all of a set, or none. */
  readonly optional: readonly (readonly string[])[];
  /** Computes on a device what the case has results for, by the names of the tensors. */
  run(device: Device, golden: GoldenCase): Promise<Map<string, ArrayLike<number>>>;
}

/** One file. */
export interface GoldenCase {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How far a result may be off. */
export const BOUNDS: Readonly<Record<"forward" | "gradient", Tolerance>> = {
  forward: { atol: 1e-5, rtol: 1e-5 },
  gradient: { atol: 1e-4, rtol: 1e-4 },
};

/** What there are cases of. Another mechanism is one more entry. */
const KINDS: readonly GoldenKind[] = [landmarkKind, infiniKind, windowKind];

/** How one result of a case came out on a device. */
export interface Outcome {
  readonly output: string;
  /** The largest |error|. */
  readonly error: number;
  readonly withinBounds: boolean;
}

/** The files of a folder that hold cases, in order. @throws {RangeError} If there is none. */
export function goldenFiles(folder: string): string[] {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => name.endsWith(".safetensors")).sort();
  if (names.length > 0) return names.map((name) => `${folder.replace(/\/+$/, "")}/${name}`);
  throw new RangeError(`Cannot check golden cases as "${folder}" must hold .safetensors files`);
}

/** Reads a case. */
export async function readGolden(path: string): Promise<GoldenCase> {
  using file = await denoFiles().open(path);
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.safetensors$/, "");
  return { name, ...await readSafetensors(file) };
}

/** The kind of a case. @throws {TypeError} If its tensors are those of no known kind. */
export function kindOf(golden: GoldenCase): GoldenKind {
  const names = new Set(golden.tensors.keys());
  const kind = KINDS.find(({ required, optional }) => {
    const sets = optional.filter((set) => set.some((name) => names.has(name)));
    const wanted = new Set([...required, ...sets.flat()]);
    return wanted.symmetricDifference(names).size === 0;
  });
  if (kind) return kind;
  throw new TypeError(
    `Cannot check golden case "${golden.name}" as its tensors must be those of a known kind ` +
      `(${KINDS.map(({ name }) => name).join(", ")}): current tensors are ` +
      Array.from(golden.tensors, ([name, { shape }]) => `${name} [${shape.join(", ")}]`).join(", "),
  );
}

/** Runs a case on a device and measures every result. */
export async function checkGolden(device: Device, golden: GoldenCase): Promise<Outcome[]> {
  const results = await kindOf(golden).run(device, golden);
  return Array.from(results, ([output, actual]): Outcome => {
    const expected = golden.tensors.get(output)!.data;
    const bounds = BOUNDS[output.startsWith("grad_") ? "gradient" : "forward"];
    return { output, ...measure(actual, expected, bounds) };
  });
}

function measure(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol, rtol }: Tolerance,
): Omit<Outcome, "output"> {
  let [error, withinBounds] = [0, actual.length === expected.length];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i] - expected[i]);
    // NaN stays in sight: Math.max keeps it, and it is within no bound.
    error = Math.max(error, distance);
    withinBounds &&= distance <= atol + rtol * Math.abs(expected[i]);
  }
  return { error, withinBounds };
}
