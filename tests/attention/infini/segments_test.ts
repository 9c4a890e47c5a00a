import { segmentsOf } from "../../../src/attention/infini/segments.ts";
import type { Batch } from "../../../src/attention/mechanism.ts";
import { mechanismOf } from "../../../src/model/mechanism_of.ts";
import { forward } from "../../../src/train/pass.ts";
import { assertClose } from "../../close.ts";
import { reference, testOnEach } from "../../devices.ts";
import { randomText, smallModel } from "../../memory/small_model.ts";
import { MODELS, smallConfig } from "../models.ts";
import { deepEqual, throws } from "node:assert/strict";

/** The kinds, as `infiniAttention` has them: where a text begins, and whether it begins empty. */
const [GOES_ON, BEGINS, BEGINS_EMPTY] = [0, 1, 3];
const SIZE = { size: 4, learnedStart: false };

Deno.test("segmentsOf() cuts rows, documents and padding", () => {
  const batch: Batch = {
    rows: 3,
    length: 10,
    document: Int32Array.from([
      ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[0, 0, 0, 1, 1, 1, 1, 1, 1, 2],
      ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]),
    present: Uint8Array.from([
      ...[1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      ...[1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      ...[0, 0, 1, 1, 1, 1, 1, 0, 0, 0],
    ]),
  };
  const { count, table, position } = segmentsOf(batch, { at: 0, length: 10 }, SIZE);
  deepEqual(count, 4);
  const none = [0, 0, 0];
  deepEqual([...table], [
    ...[0, 4, BEGINS_EMPTY, 4, 8, GOES_ON, 8, 10, GOES_ON, ...none],
    ...[0, 3, BEGINS_EMPTY, 3, 7, BEGINS_EMPTY, 7, 9, GOES_ON, 9, 10, BEGINS_EMPTY],
    ...[2, 6, BEGINS_EMPTY, 6, 7, GOES_ON, ...none, ...none],
  ]);
  deepEqual([...position.subarray(10, 20)], [0, 1, 2, 0, 1, 2, 3, 0, 1, 0]);
});

Deno.test("segmentsOf() goes on behind the first window, and begins from what was learnt", () => {
  const batch = { rows: 1, length: 8 };
  const second = segmentsOf(batch, { at: 4, length: 4 }, SIZE);
  deepEqual([...second.table], [0, 4, GOES_ON]);
  const first = segmentsOf(batch, { at: 0, length: 4 }, { size: 4, learnedStart: true });
  deepEqual([...first.table], [0, 4, BEGINS]);
});

for (const [name, config] of MODELS.filter(([name]) => name.startsWith("infini"))) {
  testOnEach(`${name}: documents and padding are as rows of their own`, async (device) => {
    using small = await smallModel(device, 3, config);
    const { model, mechanism } = small;
    const texts = [randomText(1, 19), randomText(2, 11)];
    const logits = async (ids: number[], masks: Partial<Batch>): Promise<number[]> => {
      const batch = {
        ...{ rows: 1, length: ids.length, ids: Int32Array.from(ids) },
        targets: new Int32Array(ids.length),
        weights: new Float32Array(ids.length).fill(1),
        kinds: ["text" as const],
        nameless: new Uint8Array(0),
        negatives: undefined,
      };
      return [...(await forward({ device, model, mechanism }, { ...batch, ...masks })).logits];
    };
    const alone = await Promise.all(texts.map((ids) => logits([...ids], {})));
    const both = [...texts[0], ...texts[1]];
    const document = Int32Array.from(both, (_, t) => t < 19 ? 0 : 1);
    const near = { atol: 3e-5, rtol: 3e-5 };
    assertClose(await logits(both, { document }), alone.flat(), near, "documents");
    // Padding before and behind a text, of another number of tokens than a segment has.
    const padded = [7, 7, 7, ...texts[0], 7, 7];
    const present = Uint8Array.from(padded, (_, t) => t >= 3 && t < 22 ? 1 : 0);
    const { vocab } = config;
    const seen = (await logits(padded, { present })).slice(3 * vocab, 22 * vocab);
    assertClose(seen, alone[0], near, "padding");
  });
}

Deno.test("mechanisms without masks refuse them", () => {
  const document = Int32Array.of(0, 0, 1, 1);
  for (const change of [{ xl: { window: 2 } }, { window: { size: 2 } }]) {
    const mechanism = mechanismOf(smallConfig(change));
    throws(() => mechanism.batch(reference, { rows: 1, length: 4, document }), {
      name: "RangeError",
      message: /must be one text without padding: current value has documents$/,
    });
  }
});
