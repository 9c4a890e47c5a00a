/** A memory beside landmark blocks in the same layers. Its laws are those of all mechanisms. */

import { GATE, START } from "../../../src/attention/infini/plan.ts";
import { parameters } from "../../../src/model/parameters.ts";
import { forward } from "../../../src/train/pass.ts";
import type { ModelConfig } from "../../../src/model/config.ts";
import { assertClose, EXACT } from "../../close.ts";
import { reference, testOnEach } from "../../devices.ts";
import { randomFrom } from "../../random.ts";
import { randomText, readInCuts, type SmallModel, smallModel } from "../../memory/small_model.ts";
import { smallConfig } from "../models.ts";
import { equal, ok } from "node:assert/strict";

const SEED = 21;
const BLOCKS = { block_size: 4, token_id: 256, top_blocks: 2, chunk: 8 };
const beside = (memory: Record<string, unknown>): ModelConfig =>
  smallConfig({ landmark: { ...BLOCKS, memory } });

/** Two rows of 32 ids with landmarks where they belong, to their logits. */
async function logitsOf(
  { device, model, mechanism }: SmallModel,
): Promise<Float32Array | Float64Array> {
  const ids = randomFrom(SEED).integers(64, 97, 122).map((id, t) => t % 4 === 3 ? 256 : id);
  const { logits } = await forward({ device, model, mechanism }, {
    ...{ rows: 2, length: 32, ids, targets: new Int32Array(64), negatives: undefined },
    weights: new Float32Array(64).fill(1),
    kinds: ["text", "text"],
    nameless: new Uint8Array(0),
  });
  return logits;
}

/** Gives a model the weights of another, as far as it has them, and sets its gates. */
async function take({ device, model }: SmallModel, from: SmallModel, gate?: number): Promise<void> {
  for (const [name, weight] of model.weights) {
    const own = from.model.weights.get(name);
    const isSet = gate !== undefined && name.endsWith(GATE);
    ok(own || isSet, name);
    const numbers = isSet
      ? new Float32Array(weight.shape[0]).fill(gate)
      : await from.device.read(own!);
    device.write(weight, numbers);
  }
}

testOnEach(
  "beside a memory whose gates are shut there is landmark attention alone",
  async (device) => {
    for (const update of ["linear", "delta"]) {
      using alone = await smallModel(device, SEED, smallConfig({ landmark: BLOCKS }));
      using both = await smallModel(device, SEED, beside({ segment: 8, update }));
      const open = await logitsOf(both);
      await take(both, alone, -1000);
      const expected = await logitsOf(alone);
      ok(open.some((x, i) => Math.abs(x - expected[i]) > 1e-2), "an open gate must matter");
      assertClose(await logitsOf(both), expected, EXACT, `rows, ${update}`);
      // More text than K blocks hold: blocks are chosen, and the same ones.
      const ids = randomText(1, 60);
      using reader = alone.reader();
      using other = both.reader();
      const read = await readInCuts(other, ids, [5, 31], "asking");
      assertClose(
        read,
        await readInCuts(reader, ids, [5, 31], "asking"),
        EXACT,
        `reading, ${update}`,
      );
    }
  },
  ({ info: { kind } }) => kind !== "gpu",
);

testOnEach("beside a memory whose gates are open there is the memory alone", async (device) => {
  for (const update of ["linear", "delta"]) {
    const memory = { segment: 8, update, learned_start: true };
    using infini = await smallModel(device, SEED, smallConfig({ infini: memory }));
    using both = await smallModel(device, SEED, beside(memory));
    await take(infini, infini, 1000);
    await take(both, infini);
    ok([...both.model.weights.keys()].some((name) => name.endsWith(START)));
    assertClose(await logitsOf(both), await logitsOf(infini), EXACT, update);
  }
}, ({ info: { kind } }) => kind !== "gpu");

testOnEach("landmark attention beside a memory is that of the reference device", async (device) => {
  for (const memory of [{ segment: 8, update: "linear" }, { segment: 12, learned_start: true }]) {
    using exact = await smallModel(reference, SEED, beside(memory));
    using small = await smallModel(device, SEED, beside(memory));
    // f32 sums through three layers, logits of up to 5.
    const near = { atol: 3e-5, rtol: 3e-5 };
    assertClose(await logitsOf(small), await logitsOf(exact), near, "rows");
    const ids = randomText(2, 60);
    using reader = small.reader();
    using other = exact.reader();
    assertClose(await readInCuts(reader, ids, [7]), await readInCuts(other, ids, [7]), near);
  }
}, ({ info: { kind } }) => kind !== "reference");

Deno.test("gates of a memory begin in the middle, and nearly shut where it is beside blocks", () => {
  const startOf = (config: ModelConfig): unknown =>
    parameters(config).get(`model.layers.0.self_attn.${GATE}`)?.start;
  equal(startOf(smallConfig({ infini: { segment: 8 } })), 0);
  equal(startOf(beside({ segment: 8 })), -2);
});

Deno.test("a memory beside blocks is counted, and its size does not change", async () => {
  using alone = await smallModel(reference, SEED, smallConfig({ landmark: BLOCKS }));
  using both = await smallModel(reference, SEED, beside({ segment: 8 }));
  using reader = alone.reader();
  using other = both.reader();
  const { headDim: D, kvHeads: G, layers: L } = both.model.config;
  for (const length of [10, 60]) {
    await reader.feed(randomText(3, length));
    await other.feed(randomText(3, length));
    const [plain, more] = [reader.state, other.state];
    // M and z, and what sums of f32 left out of both; the reference device keeps f64.
    equal(more.usage.memoryBytes - plain.usage.memoryBytes, 2 * L * G * D * (D + 1) * 8);
    equal(more.usage.blocks, plain.usage.blocks);
    equal(more.usage.bytesPerToken, plain.usage.bytesPerToken);
  }
  equal(both.mechanism.capabilities.replaceable, false);
});
