import { deepEqual, equal, throws } from "node:assert/strict";
import { parseComparison } from "../../src/eval/comparison.ts";
import { parseConfig } from "../../src/model/config.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import { SMALL } from "../memory/small_model.ts";

const { landmark, ...SHARED } = SMALL;
const RECIPE = { model: SHARED, data: { text: ["a.txt"] }, length: 64, batch: 2, steps: 300 };

function comparison(change: Record<string, unknown>): string {
  return JSON.stringify({ recipe: RECIPE, models: { first: { landmark } }, ...change });
}

Deno.test("parseComparison() makes recipes that differ in their model alone", () => {
  const models = { first: { landmark }, second: { infini: { segment: 8 }, intermediate_size: 32 } };
  const { recipes, measure } = parseComparison(comparison({ models }));
  deepEqual([...recipes.keys()], ["first", "second"]);
  const [first, second] = [...recipes.values()];
  deepEqual({ ...first, model: 0 }, { ...second, model: 0 });
  deepEqual(first.model, SMALL);
  deepEqual(second.model, { ...SHARED, intermediate_size: 32, infini: { segment: 8 } });
  deepEqual(measure, { tokens: 16_384, lengths: [2048, 8192], prompts: 20, seed: 1 });
});

Deno.test("parseComparison() refuses what it cannot read, by name", () => {
  const cases: [string, RegExp][] = [
    ["{", /must be JSON/],
    [comparison({ models: {} }), /"models" must be an object with a model at least/],
    [comparison({ models: { first: 1 } }), /"models.first" must be an object: current value is 1/],
    [comparison({ recipe: undefined }), /"recipe" must be an object: it is missing/],
    [comparison({ recipe: { ...RECIPE, model: "tiny" } }), /"recipe.model" must be an object/],
    [comparison({ recipe: { ...RECIPE, steps: 0 } }), /"steps" must be a whole number/],
    [comparison({ measure: { prompts: 0 } }), /"measure.prompts" must be a whole number/],
    [comparison({ measure: { length: 1 } }), /"measure.length" must be left out/],
    [comparison({ more: 1 }), /"more" must be left out/],
  ];
  for (const [text, message] of cases) throws(() => parseComparison(text), { message });
});

for (const [name, models] of [["compare", 6], ["compare_small", 7]] as const) {
  Deno.test(`the models of ${name}.json have as many parameters, within a thousandth`, async () => {
    const path = new URL(`../../models/recipes/${name}.json`, import.meta.url);
    const { recipes } = parseComparison(await Deno.readTextFile(path));
    const counts = Array.from(
      recipes.values(),
      ({ model }) =>
        [...parameterShapes(parseConfig(JSON.stringify(model))).values()]
          .reduce((sum, shape) => sum + shape.reduce((size, length) => size * length, 1), 0),
    );
    equal(counts.length, models);
    equal(Math.max(...counts) <= 1.001 * Math.min(...counts), true, counts.join());
  });
}
