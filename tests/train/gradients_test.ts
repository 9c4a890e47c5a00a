import { parseConfig } from "../../src/model/config.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { indexTable } from "../../src/train/data/negatives.ts";
import { randomFrom } from "../random.ts";
import { checkSlopes, slopeModel } from "./slopes.ts";
import { SMALL_CONFIG } from "./small_run.ts";

for (const tied of [true, false]) {
  for (const negatives of [true, false]) {
    const what = `a ${tied ? "tied" : "untied"} model ${negatives ? "with" : "without"} negatives`;
    Deno.test(`forwardAndBack() gives the slopes of the loss for ${what}`, async () => {
      const json = JSON.stringify({ ...SMALL_CONFIG, tie_word_embeddings: tied });
      using model = slopeModel(parseConfig(json));
      await checkSlopes(model, randomBatch(negatives));
    });
  }
}

/** Two rows of four blocks of 8. */
function randomBatch(negatives: boolean): TrainingBatch {
  const random = randomFrom(5);
  const [rows, length] = [2, 32];
  const isLandmark = (t: number): boolean => t % 8 === 7;
  const blocks = Int32Array.of(6, 1, 3);
  return {
    rows,
    length,
    ids: random.integers(rows * length, 0, 15).map((id, t) => isLandmark(t) ? 256 : id),
    targets: random.integers(rows * length, 0, 15).map((id, t) => isLandmark(t) ? -1 : id),
    weights: Float32Array.from({ length: rows * length }, (_, t) => isLandmark(t) ? 0 : t % 3),
    kinds: ["text", "text"],
    nameless: new Uint8Array(rows * 4),
    negatives: negatives
      ? { blocks, index: indexTable(blocks, [3, 2], 4), places: Int32Array.of(2, 0, 3) }
      : undefined,
  };
}
