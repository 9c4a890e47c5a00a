import { type Command, command, oneWord } from "./command.ts";
import { openModel } from "./open_model.ts";
import { samplingOptions } from "./reading.ts";
import { MEMORY_OPTIONS, memoryOptions, SAMPLING_OPTIONS } from "./session_options.ts";

/** `cairn generate` */
export const generate: Command = command({
  name: "generate",
  summary: "Continues a text.",
  usage: "PROMPT",
  options: { ...MEMORY_OPTIONS, ...SAMPLING_OPTIONS },
  examples: [
    ['generate "The light of the sun consists of"', "the likeliest continuation"],
    ['generate "In the beginning" --temperature 0.8 --seed 1', "one of many"],
  ],
  async run(values, words, context) {
    const prompt = oneWord(words, "prompt");
    const { terminal } = context;
    using cairn = await openModel(values, context);
    using session = cairn.session(memoryOptions(values));
    const start = performance.now();
    let text = "";
    const ids: number[] = [];
    if (!values.json) terminal.out(prompt);
    for await (const piece of session.generate(prompt, samplingOptions(values, terminal.signal))) {
      text += piece.text;
      ids.push(...piece.ids);
      if (!values.json) terminal.out(piece.text);
    }
    const seconds = (performance.now() - start) / 1000;
    if (!values.json) terminal.out("\n");
    else terminal.out(`${JSON.stringify({ prompt, text, ids, seconds })}\n`);
  },
});
