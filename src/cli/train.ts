import { openDevice } from "../device/open.ts";
import { readText } from "../io/files.ts";
import type { TrainingEvent } from "../train/loop.ts";
import { parseRecipe } from "../train/recipe.ts";
import { runTraining } from "../train/run.ts";
import { flag, number, text } from "./args.ts";
import { type Command, command, oneWord } from "./command.ts";
import { deviceOptions } from "./device_options.ts";
import { paint, type Terminal, timeText } from "./terminal.ts";

/** `cairn train` */
export const train: Command = command({
  name: "train",
  summary: "Trains a model by a recipe.",
  usage: "RECIPE",
  details:
    "RECIPE is a JSON file; docs/training.md has its fields. Its paths are relative to the " +
    "folder that the command runs in. Ctrl-C saves the run, and --resume goes on from there to the " +
    "same bits. --model is not used: the recipe names what to begin with.",
  options: {
    out: text("FOLDER", "where the run and its model go", "run"),
    resume: flag("go on with the run in that folder"),
    minutes: number("end after so long, saved, to go on later", { least: 0, whole: false }),
  },
  examples: [
    ["train recipe.json --out run", "train from the beginning"],
    ["train recipe.json --out run --resume", "go on where it stopped"],
  ],
  async run(values, words, { terminal, files }) {
    const started = performance.now();
    const recipe = parseRecipe(await readText(files, oneWord(words, "recipe file")));
    using opened = await deviceOptions(values);
    using device = await openDevice(opened.options);
    const { resume, out, minutes = Infinity } = values;
    const deadline = new AbortController();
    const signal = AbortSignal.any([terminal.signal, deadline.signal]);
    try {
      for await (const event of runTraining(recipe, out, { device, files, resume, signal })) {
        if (values.json) terminal.out(`${JSON.stringify(event)}\n`);
        else showTraining(event, terminal);
        // A step was done, so that there is something to save.
        if (performance.now() - started > 60_000 * minutes) deadline.abort();
      }
    } catch (error) {
      if (error !== deadline.signal.reason) throw error;
      if (!values.json) terminal.out(`The run is saved in ${out}: go on with --resume\n`);
      return;
    }
    if (!values.json) terminal.out(`The model is in ${out}/model\n`);
  },
});

/** Steps overwrite each other where they can; everything else stays. */
export function showTraining(event: TrainingEvent, terminal: Terminal): void {
  const clear = terminal.live ? "\r\x1b[2K" : "";
  switch (event.kind) {
    case "step": {
      const { step, steps, loss, rate, tokensPerSecond, secondsLeft } = event;
      const line = `step ${step} of ${steps}  loss ${loss.toFixed(4)}  rate ${
        rate.toPrecision(3)
      }  ${Math.round(tokensPerSecond)} tokens/s  ${timeText(secondsLeft)} left`;
      if (terminal.live) terminal.note(clear + line);
      else if (step % 10 === 0 || step === steps) terminal.note(`${line}\n`);
      return;
    }
    case "evaluation": {
      const { bitsPerByte, answers } = event.evaluation;
      const right = answers === undefined ? "" : `  ${(100 * answers).toFixed(1)} % of answers`;
      const text = `step ${event.step}: ${bitsPerByte.toFixed(4)} bits a byte held out${right}`;
      terminal.note(`${clear}${paint(terminal, "bold", text)}\n`);
      return;
    }
    case "saved":
      terminal.note(`${clear}step ${event.step}: saved\n`);
      return;
    default:
      event satisfies never;
  }
}
