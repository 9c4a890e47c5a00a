import { deepEqual, equal, ok } from "node:assert/strict";
import { open } from "../../src/cairn.ts";
import { idsOf, makeHaystacks } from "../../src/eval/haystacks.ts";
import { askHaystack } from "../../src/eval/passkey.ts";
import { byteTokenizer } from "../../src/model/tokenizer/byte_tokenizer.ts";
import type { Session } from "../../src/session/session.ts";
import { random } from "../../src/train/data/random.ts";

const BOOK = "Rays of light which are refracted and reflected in many ways.\n\n".repeat(200);
const tokenizer = byteTokenizer();

/** What listeners of one family were asked, how much they read, and how many are open. */
interface Log {
  readonly asked: string[];
  read: number;
  replaced: number;
  open: number;
}

/** A session that keeps what it is given, and answers with the last key before the question. */
function listener(heard: Int32Array, log: Log): Session {
  log.open++;
  const session = {
    readIds(ids: Int32Array) {
      heard = Int32Array.of(...heard, ...ids);
      log.read += ids.length;
      return Promise.resolve();
    },
    replaceIds(text: Int32Array, { from, to }: { from: number; to: number }) {
      deepEqual(text.subarray(0, from), heard.subarray(0, from));
      deepEqual(text.subarray(to), heard.subarray(to));
      heard = text;
      log.replaced += to - from;
      return Promise.resolve();
    },
    fork: () => Promise.resolve(listener(heard, log)),
    async *generate(prompt: string) {
      const text = tokenizer.decode(heard);
      log.asked.push(text + prompt);
      const name = prompt.match(/pass key( of \w+)? is$/)?.[1] ?? "";
      const key = text.match(new RegExp(`pass key${name} is (\\d+)`))?.[1];
      for (const text of [` ${key}`, ".", " And 99"]) yield { text, ids: [], blocks: [] };
      await Promise.resolve();
    },
    [Symbol.dispose]: () => void log.open--,
  };
  return session as unknown as Session;
}

for (const kind of ["text", "distractors", "paper"] as const) {
  for (const whole of [false, true]) {
    const how = whole ? "reading all of it" : "replacing a part";
    Deno.test(`askHaystack() asks each question of its own prompt, in "${kind}", ${how}`, async () => {
      const [haystack] = makeHaystacks(kind, {
        length: 5000,
        questions: 5,
        book: BOOK,
        tokenizer,
        random: random(11),
      });
      const log: Log = { asked: [], read: 0, replaced: 0, open: 0 };
      using session = listener(new Int32Array(0), log);
      const outcomes = await Array.fromAsync(askHaystack(session, haystack, { whole }));
      const { ids, variants } = haystack;
      deepEqual(
        log.asked,
        variants.flatMap((variant) =>
          variant.questions.map(({ prompt }) => tokenizer.decode(idsOf(haystack, variant)) + prompt)
        ),
      );
      deepEqual(outcomes.map(({ right }) => right), [true, true, true, true, true]);
      // What follows the number is left alone.
      equal(outcomes[0].answer, ` ${variants[0].questions[0].key}.`);
      equal(log.read, whole ? variants.length * ids.length : ids.length);
      equal(log.replaced > 0, !whole);
      equal(log.open, 1);
    });
  }
}

Deno.test("askHaystack() counts another number as wrong", async () => {
  const question = { prompt: "The pass key is", key: "22222", depth: 0 };
  const haystack = {
    ids: tokenizer.encode("The pass key is 11111."),
    variants: [{ needles: [], questions: [question] }],
  };
  using session = listener(new Int32Array(0), { asked: [], read: 0, replaced: 0, open: 0 });
  const [{ right, answer }] = await Array.fromAsync(askHaystack(session, haystack));
  equal(right, false);
  equal(answer, " 11111.");
});

Deno.test("askHaystack() has the same answers whether it reads all of a text or a part", async () => {
  using cairn = await open("models/tiny", { device: "cpu", threads: 1 });
  const [haystack] = makeHaystacks("distractors", {
    length: 3500,
    questions: 3,
    book: await Deno.readTextFile("books/opticks.txt"),
    tokenizer: cairn.tokenizer,
    random: random(2),
  });
  const answers = async (whole: boolean): Promise<string[]> => {
    using session = cairn.session();
    const outcomes = await Array.fromAsync(askHaystack(session, haystack, { whole }));
    return outcomes.map(({ answer }) => answer);
  };
  const found = await answers(false);
  deepEqual(found, await answers(true), "seed 2");
  ok(found.every((answer) => /^ \d+/.test(answer)), `${found}`);
});
