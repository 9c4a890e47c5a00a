import { deepEqual, equal, throws } from "node:assert/strict";
import { FieldError } from "../../src/train/fields.ts";
import { parseRecipe } from "../../src/train/recipe.ts";

const LEAST = {
  model: "models/tiny",
  data: { text: ["book.txt"] },
  length: 64,
  batch: 2,
  steps: 300,
};

Deno.test("parseRecipe() fills in what is left out", () => {
  const recipe = parseRecipe(JSON.stringify(LEAST));
  deepEqual(recipe.mixture, { text: 1, pairsInText: 0, densePairs: 0, copy: 0 });
  equal(recipe.accumulate, 1);
  equal(recipe.negatives, undefined);
  equal(recipe.data.heldOut, 0.1);
  deepEqual(recipe.optimizer, {
    rate: 2e-3,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    decay: 0.1,
    gateRate: 0.01,
    clip: 1,
    warmUp: 200,
    schedule: "cosine",
    decayShare: 0.25,
    floor: 0.05,
  });
});

Deno.test("parseRecipe() says which negatives there can be", () => {
  for (
    const [field, value, must] of [
      ["weight", 0.5, "a number of at least 1"],
      ["alike", 2, "a number of at least 0 and at most 1"],
      ["places", "last", `one of "first", "spread"`],
    ] as const
  ) {
    const recipe = { ...LEAST, negatives: { [field]: value } };
    throws(() => parseRecipe(JSON.stringify(recipe)), {
      message: new RegExp(`"negatives.${field}" must be ${must}: current value is`),
    });
  }
});

Deno.test("parseRecipe() takes one probability for all kinds, or one for each", () => {
  const probability = (value: unknown) =>
    parseRecipe(JSON.stringify({ ...LEAST, negatives: { probability: value } })).negatives
      ?.probability;
  deepEqual(probability(0.25), { text: 0.25, pairsInText: 0.25, densePairs: 0.25, copy: 0.25 });
  const each = { text: 0, pairsInText: 1, densePairs: 0.75, copy: 0.5 };
  deepEqual(probability(each), each);
});

const WRONG: [string, Record<string, unknown>, string][] = [
  [
    "a missing field",
    { length: undefined },
    `"length" must be a whole number of at least 2: it is missing`,
  ],
  ["an unknown field", { optimiser: {} }, `"optimiser" must be left out (there are model, data, `],
  ["an unknown field inside", { optimizer: { lr: 1 } }, `"optimizer.lr" must be left out`],
  [
    "a number out of range",
    { optimizer: { rate: 0 } },
    `"optimizer.rate" must be a number above 0: current value is 0`,
  ],
  [
    "a fraction of steps",
    { steps: 1.5 },
    `"steps" must be a whole number of at least 1: current value is 1.5`,
  ],
  [
    "text for a number",
    { batch: "32" },
    `"batch" must be a whole number of at least 1: current value is "32"`,
  ],
  [
    "an unknown schedule",
    { optimizer: { schedule: "linear" } },
    `must be one of "cosine", "hold": current value is "linear"`,
  ],
  [
    "no text",
    { data: { text: [] } },
    `"data.text" must be a list that is not empty: current value is []`,
  ],
  ["an empty path", { data: { text: [""] } }, `"data.text[0]" must be a text that is not empty`],
  [
    "all of the text held out",
    { data: { text: ["a"], heldOut: 1 } },
    `"data.heldOut" must be a number of at least 0 and below 1`,
  ],
  ["an empty mixture", { mixture: { copy: 0 } }, `"mixture" must be above 0 for one kind at least`],
  [
    "a warm-up as long as the run",
    { steps: 200 },
    `"optimizer.warmUp" must be below the number of steps, 200: current value is 200`,
  ],
  [
    "a list for a model",
    { model: [] },
    `"model" must be a model's configuration or the path of its folder`,
  ],
  ["a list for an object", { data: [] }, `"data" must be an object: current value is []`],
];

for (const [what, change, message] of WRONG) {
  Deno.test(`parseRecipe() refuses ${what}`, () => {
    throws(
      () => parseRecipe(JSON.stringify({ ...LEAST, ...change })),
      (error: Error) => {
        equal(error instanceof FieldError, true);
        equal(error.message.includes(message), true, error.message);
        return true;
      },
    );
  });
}

Deno.test("parseRecipe() refuses what is not JSON, and a field that is there twice", () => {
  throws(() => parseRecipe("{"), {
    name: "SyntaxError",
    message: /^Cannot read the recipe as it must be JSON: /,
  });
  throws(() => parseRecipe(`{"steps": 1, "steps": 2}`), {
    name: "SyntaxError",
    message: /"steps" is there twice/,
  });
});
