import { deepEqual, equal } from "node:assert/strict";
import { makeHaystacks } from "../../src/eval/haystacks.ts";
import { askHaystack, lettersToRead } from "../../src/eval/passkey.ts";
import type { Session } from "../../src/session/session.ts";
import { random } from "../../src/train/data/random.ts";

const BOOK = "Rays of light which are refracted and reflected in many ways.\n\n".repeat(200);

/** A session that keeps what it is given, and answers with the last key before the question. */
function listener(heard: string, log: { asked: string[]; letters: number; open: number }): Session {
  log.open++;
  const session: Pick<Session, "read" | "fork" | "generate" | typeof Symbol.dispose> = {
    // deno-lint-ignore require-await -- as the real one
    async read(text) {
      heard += text;
      log.letters += (text as string).length;
      return undefined as unknown as ReturnType<Session["read"]>;
    },
    fork: () => Promise.resolve(listener(heard, log)),
    async *generate(prompt) {
      log.asked.push(heard + prompt);
      const name = prompt.match(/pass key( of \w+)? is$/)?.[1] ?? "";
      const key = heard.match(new RegExp(`pass key${name} is (\\d+)`))?.[1];
      for (const text of [` ${key}`, ".", " And 99"]) yield { text, ids: [], blocks: [] };
      await Promise.resolve();
    },
    [Symbol.dispose]: () => void log.open--,
  };
  return session as Session;
}

for (const kind of ["text", "distractors", "paper"] as const) {
  Deno.test(`askHaystack() asks each question of its own prompt, in "${kind}"`, async () => {
    const [haystack] = makeHaystacks(kind, {
      length: 5000,
      questions: 5,
      book: BOOK,
      random: random(11),
    });
    const log = { asked: [] as string[], letters: 0, open: 0 };
    using session = listener("", log);
    const outcomes = await Array.fromAsync(askHaystack(session, haystack));
    const { text, questions } = haystack;
    deepEqual(
      log.asked,
      questions.map(({ at, insert, prompt }) =>
        text.slice(0, at) + insert + text.slice(at) + prompt
      ),
    );
    deepEqual(outcomes.map(({ right }) => right), [true, true, true, true, true]);
    equal(outcomes[0].answer, ` ${questions[0].key}.`); // what follows the number is left alone
    equal(log.letters, lettersToRead(haystack));
    equal(log.open, 1);
  });
}

Deno.test("askHaystack() counts another number as wrong", async () => {
  const haystack = {
    text: "The pass key is 11111.",
    questions: [{ at: 0, insert: "", prompt: "The pass key is", key: "22222", depth: 0 }],
  };
  using session = listener("", { asked: [], letters: 0, open: 0 });
  const [{ right, answer }] = await Array.fromAsync(askHaystack(session, haystack));
  equal(right, false);
  equal(answer, " 11111.");
});
