import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { openDevice } from "../../src/device/open.ts";
import { rateAt } from "../../src/train/optimizer.ts";
import { initialWeights } from "../../src/train/initial_weights.ts";
import { parseConfig } from "../../src/model/config.ts";
import { devices, testOnEach } from "../devices.ts";
import { SMALL_CONFIG, smallRecipe, smallTrainer } from "./small_run.ts";

Deno.test("createTrainer() learns a page by heart", async () => {
  // The fastest one for a model as small as this.
  using device = await openDevice({ device: "cpu", threads: 1 });
  const recipe = smallRecipe({
    model: {
      ...SMALL_CONFIG,
      hidden_size: 96,
      intermediate_size: 192,
      num_hidden_layers: 3,
      head_dim: 16,
    },
    data: { text: ["page.txt"], heldOut: 0 },
    mixture: { text: 1 },
    negatives: undefined,
    length: 128,
    batch: 4,
    accumulate: 1,
    steps: 400,
    optimizer: { rate: 5e-3, warmUp: 20, decay: 0 },
  });
  using trainer = smallTrainer(device, recipe);
  const losses: number[] = [];
  while (trainer.step < recipe.steps) losses.push((await trainer.advance()).loss);
  // Uniform over 260 ids is 5.56 nats; the frequencies of the letters alone give about 3.
  ok(Math.abs(losses[0] - Math.log(260)) < 0.1, `first loss ${losses[0]}`);
  const last = losses.slice(-10).reduce((sum, loss) => sum + loss, 0) / 10;
  // What is left are the first letters of a row, before which there is nothing.
  ok(last < 0.4, `last losses ${last}`);
});

testOnEach("advance() holds no more memory after a step than before it", async (device) => {
  using trainer = smallTrainer(device, smallRecipe());
  const before = device.bytes;
  for (let i = 0; i < 4; i++) {
    await trainer.advance();
    equal(device.bytes, before, `after step ${trainer.step}`);
  }
  await trainer.examine();
  equal(device.bytes, before, "after an evaluation");
});

testOnEach(
  "advance() gives the same bits for the same seed, and others for another",
  async (device) => {
    const tensors = async (seed: number) => {
      using trainer = smallTrainer(device, smallRecipe({ seed }));
      for (let i = 0; i < 3; i++) await trainer.advance();
      return (await trainer.state()).tensors;
    };
    const once = await tensors(1);
    deepEqual(await tensors(1), once);
    const norm = "model.norm.weight";
    ok((await tensors(2)).get(norm)!.data.join() !== once.get(norm)!.data.join());
  },
);

Deno.test("advance() gives the same bits on any number of threads", async () => {
  const families = new Map<string, string>();
  for (const { name, family, device } of devices) {
    using trainer = smallTrainer(device, smallRecipe());
    for (let i = 0; i < 2; i++) await trainer.advance();
    const { tensors } = await trainer.state();
    const bits = [...tensors].map(([name, { data }]) => `${name} ${data.join()}`).join("\n");
    equal(bits, families.get(family) ?? bits, name);
    families.set(family, bits);
  }
});

testOnEach("advance() adds up what it accumulates", async (device) => {
  // A mixture without answers: every row weighs the same, so two halves make a whole.
  const change = { mixture: { text: 1 }, negatives: undefined, steps: 3, optimizer: { warmUp: 0 } };
  using halves = smallTrainer(device, smallRecipe({ ...change, batch: 1, accumulate: 2 }));
  using other = smallTrainer(device, smallRecipe({ ...change, batch: 1, accumulate: 1 }));
  const { loss, tokens } = await halves.advance();
  const first = await other.advance();
  equal(tokens, 128);
  equal(first.tokens, 64);
  // The first half is what a run of its own sees first.
  ok(loss !== first.loss && Math.abs(loss - first.loss) < 0.1, `losses ${loss}, ${first.loss}`);
});

testOnEach("examine() measures held-out text and answers", async (device) => {
  const change = { length: 128, evaluation: { textRows: 2, answerRows: 8 } };
  using trainer = smallTrainer(device, smallRecipe(change));
  const { bitsPerByte, answers } = (await trainer.examine())!;
  // A model that knows nothing needs log2(260) bits.
  ok(Math.abs(bitsPerByte - Math.log2(260)) < 0.1, `${bitsPerByte} bits`);
  ok(answers !== undefined && answers < 0.2, `${answers} of the answers`);
  using blind = smallTrainer(device, smallRecipe({ data: { text: ["page.txt"], heldOut: 0 } }));
  equal(await blind.examine(), undefined);
});

Deno.test("createTrainer() refuses rows that do not fit blocks, model or text", () => {
  const [{ device }] = devices;
  throws(() => smallTrainer(device, smallRecipe({ length: 60 })), {
    name: "RangeError",
    message: "Cannot train as length must be a multiple of the block size, 8: current value is 60",
  });
  throws(() => smallTrainer(device, smallRecipe({ length: 136 })), {
    name: "RangeError",
    message:
      /length must be at most the model's max_position_embeddings, 128: current value is 136/,
  });
  throws(
    () => smallTrainer(device, smallRecipe({ length: 128, data: { text: ["a"], heldOut: 0.02 } })),
    {
      name: "RangeError",
      message: /^Cannot evaluate on 113 tokens at once as the held-out text must hold as many/,
    },
  );
});

Deno.test("initialWeights() follow from the seed, and are as wide as they should be", async () => {
  const config = parseConfig(JSON.stringify({ ...SMALL_CONFIG, hidden_size: 256 }));
  const weights = initialWeights(config, 1);
  const deviation = (name: string): number => {
    const { data } = weights.get(name)!;
    return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
  };
  ok(Math.abs(deviation("model.embed_tokens.weight") / 0.02 - 1) < 0.02);
  ok(Math.abs(deviation("model.layers.1.self_attn.q_proj.weight") / 0.02 - 1) < 0.05);
  ok(Math.abs(deviation("model.layers.1.mlp.down_proj.weight") / 0.01 - 1) < 0.05);
  equal(deviation("model.norm.weight"), 1);
  deepEqual(initialWeights(config, 1), weights);
  await rejects(async () => await Promise.resolve(deepEqual(initialWeights(config, 2), weights)));
});

Deno.test("rateAt() warms up, then follows its schedule to the floor", () => {
  const cosine = smallRecipe({
    steps: 110,
    optimizer: { rate: 1, warmUp: 10, floor: 0.1 },
  }).optimizer;
  const near = (actual: number, expected: number) =>
    ok(Math.abs(actual - expected) < 1e-12, `expected ${expected}, got ${actual}`);
  near(rateAt(1, 110, cosine), 0.1);
  near(rateAt(10, 110, cosine), 1);
  near(rateAt(60, 110, cosine), 0.55);
  near(rateAt(110, 110, cosine), 0.1);
  const hold = { ...cosine, schedule: "hold", decayShare: 0.2 } as const;
  near(rateAt(88, 110, hold), 1);
  near(rateAt(99, 110, hold), 0.55);
  near(rateAt(110, 110, hold), 0.1);
  near(rateAt(110, 110, { ...hold, decayShare: 0 }), 1);
});
