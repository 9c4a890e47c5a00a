import { equal, notEqual } from "node:assert/strict";
import type { Device } from "../../src/device/device.ts";
import { parseConfig } from "../../src/model/config.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { indexTable } from "../../src/train/data/negatives.ts";
import { forward } from "../../src/train/pass.ts";
import { reference } from "../devices.ts";
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

Deno.test("a negative's landmark is turned to the end of the block whose place it has", async () => {
  using model = slopeModel(parseConfig(JSON.stringify(SMALL_CONFIG)));
  const batch = randomBatch(true);
  const turned = async (places: Int32Array | undefined): Promise<[string, number]> => {
    const seen: ArrayLike<number>[] = [];
    const reads: Promise<unknown>[] = [];
    const rope: Device["rope"] = (x, positions, ...rest) => {
      // Three negatives; the rows have 64 tokens.
      if (positions.shape[0] === 3) reads.push(reference.read(positions).then((p) => seen.push(p)));
      reference.rope(x, positions, ...rest);
    };
    const device = new Proxy(reference, {
      get: (target, key) => key === "rope" ? rope : Reflect.get(target, key),
    });
    const { loss } = await forward({ ...model.learner, device }, {
      ...batch,
      negatives: { ...batch.negatives!, places },
    });
    await Promise.all(reads);
    return [`${[...new Set(seen.map((positions) => Array.from(positions).join()))]}`, loss];
  };
  const [first, loss] = await turned(undefined);
  equal(first, "7,7,7");
  const [spread, other] = await turned(Int32Array.of(2, 0, 3));
  equal(spread, "23,7,31");
  notEqual(other, loss);
  equal((await turned(Int32Array.of(0, 0, 0)))[1], loss);
});

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
