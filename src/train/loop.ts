import type { Evaluation } from "./evaluation.ts";
import type { Recipe } from "./recipe.ts";
import type { StepReport, Trainer } from "./trainer.ts";

/** What happens in a run, as it happens. */
export type TrainingEvent =
  | StepEvent
  | { readonly kind: "evaluation"; readonly step: number; readonly evaluation: Evaluation }
  | { readonly kind: "saved"; readonly step: number };

/** A step is done. */
export interface StepEvent extends StepReport {
  readonly kind: "step";
  /** Of the whole run. */
  readonly steps: number;
  /** Since this process began to train. */
  readonly tokensPerSecond: number;
  /** As long as the rest will take at this speed. */
  readonly secondsLeft: number;
}

/** Steps that may be under way before the oldest one's report is waited for. */
const AHEAD = 2;

/** Options of {@linkcode trainingLoop}. */
export interface LoopOptions {
  /** Saves the run, so that it can go on from here. */
  save: () => Promise<void>;
  /** Ends the run after the step in progress, and saves it. */
  signal?: AbortSignal | undefined;
  /** In milliseconds. @default {performance.now} */
  now?: () => number;
}

/**
 * Trains to the recipe's last step, examines and saves as it says, and at the end.
 *
 * @throws What the signal was aborted with.
 */
export async function* trainingLoop(
  trainer: Trainer,
  { steps, evaluation, checkpointEvery }: Pick<Recipe, "steps" | "evaluation" | "checkpointEvery">,
  options: LoopOptions,
): AsyncGenerator<TrainingEvent> {
  const { save, signal, now = () => performance.now() } = options;
  const first = trainer.step;
  const waiting: { report: Promise<StepReport>; done: boolean }[] = [];
  let tokens = 0;
  let elapsedMs = 0;
  let savedStep = first;
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const start = now();
    const result = await work;
    elapsedMs += now() - start;
    return result;
  };
  /** The reports that are there, and those before the last `most` ones. */
  async function* reports(most: number): AsyncGenerator<StepEvent> {
    while (waiting.length > most || waiting[0]?.done) {
      const report = await timed(waiting.shift()!.report);
      tokens += report.tokens;
      const { step } = report;
      yield {
        kind: "step",
        ...report,
        steps,
        tokensPerSecond: 1000 * tokens / elapsedMs,
        secondsLeft: (steps - step) * elapsedMs / 1000 / (step - first),
      };
    }
  }
  while (trainer.step < steps) {
    if (signal?.aborted) {
      yield* reports(0);
      if (savedStep !== trainer.step) await save();
      signal.throwIfAborted();
    }
    waiting.push(watched((await timed(trainer.begin())).report));
    const { step } = trainer;
    const examines = step % evaluation.every === 0 || step === steps;
    const saves = step % checkpointEvery === 0 || step === steps;
    yield* reports(examines || saves ? 0 : AHEAD);
    if (examines) {
      const evaluation = await trainer.examine();
      if (evaluation) yield { kind: "evaluation", step, evaluation };
    }
    if (saves) {
      await save();
      savedStep = step;
      yield { kind: "saved", step };
    }
  }
}

/** A report, and whether it is there yet. */
function watched(report: Promise<StepReport>): { report: Promise<StepReport>; done: boolean } {
  const watch = { report, done: false };
  // A failure is thrown where the report is waited for.
  report.then(() => watch.done = true, () => watch.done = true);
  return watch;
}
