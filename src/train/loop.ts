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
  let tokens = 0;
  let elapsedMs = 0;
  let savedStep = first;
  while (trainer.step < steps) {
    if (signal?.aborted) {
      if (savedStep !== trainer.step) await save();
      signal.throwIfAborted();
    }
    const start = now();
    const report = await trainer.advance();
    elapsedMs += now() - start;
    tokens += report.tokens;
    const { step } = report;
    yield {
      kind: "step",
      ...report,
      steps,
      tokensPerSecond: 1000 * tokens / elapsedMs,
      secondsLeft: (steps - step) * elapsedMs / 1000 / (step - first),
    };
    if (step % evaluation.every === 0 || step === steps) {
      const evaluation = await trainer.examine();
      if (evaluation) yield { kind: "evaluation", step, evaluation };
    }
    if (step % checkpointEvery === 0 || step === steps) {
      await save();
      savedStep = step;
      yield { kind: "saved", step };
    }
  }
}
