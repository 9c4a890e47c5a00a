/**
 * Trains a model by a recipe and prints its bits per byte on the held-out text, beside those of a
 * byte 5-gram with interpolated Kneser–Ney that learnt from the same bytes, on the same bytes.
 *
 *   deno run -A bench/held_out_bench.ts [RECIPE]
 *
 * The model sees the bytes of its row that come before, a quarter of a row at least but for the very
 * first; the 5-gram always sees four.
 */
import { openDevice } from "../src/device/open.ts";
import { parseConfig } from "../src/model/config.ts";
import { mechanismOf } from "../src/model/mechanism_of.ts";
import { byteTokenizer } from "../src/model/tokenizer/byte_tokenizer.ts";
import { type SplitCorpus, splitCorpus } from "../src/train/data/corpus.ts";
import { prepareExamination } from "../src/train/evaluation.ts";
import { initialWeights } from "../src/train/initial_weights.ts";
import { trainingLoop } from "../src/train/loop.ts";
import { parseRecipe, type Recipe } from "../src/train/recipe.ts";
import { createTrainer } from "../src/train/trainer.ts";
import { bitsPerByte, kneserNey } from "./kneser_ney.ts";

const ROOT = new URL("../", import.meta.url);
const ALL_ROWS = 2 ** 20;

const given = parseRecipe(
  await Deno.readTextFile(Deno.args[0] ?? new URL("models/recipes/book.json", ROOT)),
);
const recipe: Recipe = { ...given, evaluation: { ...given.evaluation, textRows: ALL_ROWS } };
const texts = recipe.data.text.map((name) => Deno.readTextFileSync(new URL(name, ROOT)));
const { encode } = byteTokenizer();
const corpus = splitCorpus(texts, recipe.data.heldOut, encode);
console.log(`${corpus.train.bytes} bytes to learn from, ${corpus.heldOut.bytes} held out`);

const config = parseConfig(JSON.stringify(recipe.model));
const mechanism = mechanismOf(config);
const rival = nGramBits(corpus);
console.log(`5-gram  ${rival.toFixed(4)} bits per byte`);

using device = await openDevice({ device: "cpu" });
const start = { config, weights: initialWeights(config, recipe.seed) };
using trainer = createTrainer({ device, recipe, config, mechanism, corpus, encode, start });
let bits = Infinity;
const begin = performance.now();
for await (const event of trainingLoop(trainer, recipe, { save: () => Promise.resolve() })) {
  if (event.kind === "evaluation") bits = event.evaluation.bitsPerByte;
  if (event.kind !== "step" || event.step % recipe.evaluation.every !== 1) continue;
  const { step, loss, tokensPerSecond } = event;
  const seconds = Math.round((performance.now() - begin) / 1000);
  const learnt = `${(loss / Math.LN2).toFixed(3)} bits learning, ${bits.toFixed(4)} held out`;
  console.log(`${seconds} s  step ${step}  ${learnt}  ${Math.round(tokensPerSecond)} tokens/s`);
}
const parameters = start.weights.values().reduce((sum, { data }) => sum + data.length, 0);
console.log(`model   ${bits.toFixed(4)} bits per byte (${parameters} parameters)`);
Deno.exitCode = bits < rival ? 0 : 1;

/** On the bytes that the model is asked for: the first so many, but for the very first. */
function nGramBits({ train, heldOut, words }: SplitCorpus): number {
  const { text } = prepareExamination({ corpus: heldOut, words, encode }, {
    length: recipe.length,
    marker: mechanism.marker,
    textRows: ALL_ROWS,
    answerRows: 0,
    seed: recipe.seed,
  });
  const asked = text.weights.reduce((sum, weight) => sum + weight, 0);
  const bytes = Uint8Array.from(heldOut.tokens.subarray(0, asked + 1));
  return bitsPerByte(kneserNey(Uint8Array.from(train.tokens)), bytes, 1);
}
