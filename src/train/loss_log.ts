import type { Files, RandomAccessFile } from "../io/files.ts";
import { isRecord } from "../model/json.ts";
import type { TrainingEvent } from "./loop.ts";
import { plot } from "./plot.ts";

/** One line of a loss file: what a step, or an evaluation, came to. */
export interface LossRow {
  readonly step: number;
  readonly loss?: number | undefined;
  /** Of the training text. */
  readonly bitsPerByte?: number | undefined;
  readonly answerLoss?: number | undefined;
  readonly rate?: number | undefined;
  readonly norm?: number | undefined;
  readonly tokensPerSecond?: number | undefined;
  readonly heldOut?:
    | { readonly bitsPerByte: number; readonly answers?: number | undefined }
    | undefined;
}

/** A file of losses, one JSON object a line. */
export interface LossLog extends Disposable {
  readonly rows: readonly LossRow[];
  append(row: LossRow): Promise<void>;
}

/**
 * Opens a loss file, and cuts off what comes after `step`: a run that goes on from an earlier step
 * writes those lines again.
 */
export async function openLossLog(files: Files, path: string, step: number): Promise<LossLog> {
  const file = await files.open(path, { write: true, create: true });
  try {
    const rows = parseLossLog(await readAll(file)).filter((row) => row.step <= step);
    const kept = encodeLines(rows);
    await file.write(kept, 0);
    await file.truncate(kept.length);
    let end = kept.length;
    return {
      rows,
      async append(row) {
        const line = encodeLines([row]);
        await file.write(line, end);
        end += line.length;
        rows.push(row);
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/**
 * Reads the lines of a loss file; a last line that was cut off is left out.
 *
 * @throws {SyntaxError} If another line is not what a run writes.
 */
export function parseLossLog(text: string): LossRow[] {
  return text.split("\n").slice(0, -1).map((line, i) => {
    const row = tryParse(line);
    if (!isRecord(row) || typeof row.step !== "number") {
      throw new SyntaxError(
        `Cannot read losses as line ${i + 1} must be a JSON object with a step: ` +
          `current value is ${line.slice(0, 80)}`,
      );
    }
    return row as unknown as LossRow;
  });
}

function tryParse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function encodeLines(rows: readonly LossRow[]): Uint8Array {
  return new TextEncoder().encode(rows.map((row) => JSON.stringify(row) + "\n").join(""));
}

/** The line for an event; `undefined` for one that leaves none. */
export function lossRow(event: TrainingEvent): LossRow | undefined {
  switch (event.kind) {
    case "step": {
      const { step, loss, bitsPerByte, answerLoss, rate, norm, tokensPerSecond } = event;
      return { step, loss, bitsPerByte, answerLoss, rate, norm, tokensPerSecond };
    }
    case "evaluation":
      return { step: event.step, heldOut: event.evaluation };
    case "saved":
      return undefined;
    default:
      return event satisfies never;
  }
}

/** Draws the losses on text; those of training are drawn as `loss` if no row is plain text. */
export function lossPlot(rows: readonly LossRow[], title: string): string {
  const heldOut = rows.flatMap(({ step, heldOut }) =>
    heldOut ? [{ x: step, y: heldOut.bitsPerByte }] : []
  );
  const text = rows.flatMap(({ step, bitsPerByte }) =>
    bitsPerByte === undefined ? [] : [{ x: step, y: bitsPerByte }]
  );
  const loss = rows.flatMap(({ step, loss }) =>
    loss === undefined ? [] : [{ x: step, y: loss / Math.LN2 }]
  );
  return plot([
    text.length > 0
      ? { label: "training text", faint: true, points: text }
      : { label: "training, all tasks", faint: true, points: loss },
    ...(heldOut.length > 0 ? [{ label: "held-out text", points: heldOut }] : []),
  ], { title, xLabel: "step", yLabel: "bits per byte" });
}

async function readAll(file: RandomAccessFile): Promise<string> {
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  return new TextDecoder().decode(bytes);
}
