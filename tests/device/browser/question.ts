import type { Cairn } from "../../../src/cairn.ts";
import type { GenerateOptions } from "../../../src/session/generation.ts";

/** A text to read, and what to ask behind it. */
export interface Question {
  readonly text: string;
  readonly asked: readonly { readonly prompt: string; readonly options: GenerateOptions }[];
}

/** What a model answers; each time it has read the text alone. */
export async function answersTo(cairn: Cairn, { text, asked }: Question): Promise<string[]> {
  using session = cairn.session();
  await session.read(text);
  const answers: string[] = [];
  for (const { prompt, options } of asked) {
    using fork = await session.fork();
    let answer = "";
    for await (const piece of fork.generate(prompt, options)) answer += piece.text;
    answers.push(answer);
  }
  return answers;
}
