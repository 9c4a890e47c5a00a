import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { FileError } from "../../src/io/file_error.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { loadTokenizer, type Tokenizer } from "../../src/model/tokenizer.ts";
import { byteTokenizer } from "../../src/model/tokenizer/byte_tokenizer.ts";
import { TokenizerError } from "../../src/model/tokenizer/tokenizer_error.ts";
import { TextError, utf8Text } from "../../src/model/tokenizer/utf8.ts";
import byteFallback from "./tokenizer/byte_fallback.json" with { type: "json" };
import byteLevel from "./tokenizer/byte_level.json" with { type: "json" };

const TEXT = "A cairn — 石の道 ⛰️ 👩‍🚀.\n";
const LONE = "ab\uD83Dc";

async function folderConfig(changes: Record<string, unknown>): Promise<ModelConfig> {
  const json = JSON.parse(await Deno.readTextFile("models/tiny/config.json"));
  return parseConfig(JSON.stringify({ ...json, ...changes }));
}

async function load(
  json: unknown,
  vocab: number,
  token_id: number,
  settings?: unknown,
): Promise<Tokenizer> {
  const landmark = { block_size: 64, token_id, chunk: 192 };
  const config = await folderConfig({ tokenizer: null, vocab_size: vocab, landmark });
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const files = memoryFiles({ "m/tokenizer.json": bytes(json) });
  if (settings !== undefined) {
    await files.replace("m/tokenizer_config.json", (file) => file.write(bytes(settings), 0));
  }
  return loadTokenizer(files, "m", config);
}

/** Encodes a text in pieces of one code unit, and of three. */
function checkStreams(tokenizer: Tokenizer, text: string) {
  const whole = tokenizer.encode(text);
  for (const step of [1, 3, 1000]) {
    const encoder = tokenizer.encoder();
    const ids: number[] = [];
    for (let i = 0; i < text.length; i += step) ids.push(...encoder.push(text.slice(i, i + step)));
    ids.push(...encoder.end());
    deepEqual(ids, [...whole], `encoded in steps of ${step}`);

    const decoder = tokenizer.decoder();
    const pieces: string[] = [];
    for (let i = 0; i < whole.length; i += step) {
      pieces.push(decoder.push(whole.subarray(i, i + step)));
    }
    pieces.push(decoder.end());
    equal(pieces.join(""), tokenizer.decode(whole), `decoded in steps of ${step}`);
    for (const piece of pieces) equal(piece.isWellFormed(), true);
    equal(pieces.join("").includes("\uFFFD"), text.includes("\uFFFD"));
  }
}

Deno.test("byteTokenizer() gives the UTF-8 bytes", () => {
  const tokenizer = byteTokenizer();
  deepEqual(tokenizer.encode("aé⛰"), Int32Array.of(97, 0xc3, 0xa9, 0xe2, 0x9b, 0xb0));
  equal(tokenizer.decode(tokenizer.encode(TEXT)), TEXT);
  deepEqual(tokenizer.encode(""), new Int32Array(0));
  equal(tokenizer.decode([]), "");
  checkStreams(tokenizer, TEXT + "\uFEFFkept \uFFFD");
});

Deno.test("byteTokenizer() decodes no id that is not a byte, even within a character", () => {
  const tokenizer = byteTokenizer();
  equal(tokenizer.decode([256, 0xe2, 0x9b, 256, 0xb0, 257, -1]), "⛰");
  const decoder = tokenizer.decoder();
  equal(decoder.push([0xe2, 0x9b]), "");
  equal(decoder.push([256]), "");
  equal(decoder.push([0xb0, 97]), "⛰a");
  equal(decoder.push([0xe2]), "");
  equal(decoder.end(), "\uFFFD");
  equal(tokenizer.decode([0xff, 97]), "\uFFFDa");
});

Deno.test("byteTokenizer() refuses a lone surrogate, and tells where it is", () => {
  const tokenizer = byteTokenizer();
  const message = (index: number, code = "D83D") => ({
    name: "RangeError",
    message: "Cannot encode text as it must be well-formed Unicode: " +
      `lone surrogate U+${code} at index ${index}`,
  });
  throws(() => tokenizer.encode(LONE), message(2));
  throws(() => tokenizer.encode("😀\uDE00"), message(2, "DE00"));
  throws(() => tokenizer.encode("\uD83D"), message(0));
  const encoder = tokenizer.encoder();
  encoder.push("x\uD83D");
  deepEqual(encoder.push("\uDE00y"), tokenizer.encode("😀y"));
  encoder.push("z\uD83D");
  throws(() => encoder.push("c"), message(5));
  const ending = tokenizer.encoder();
  ending.push("\uD83D");
  throws(() => ending.end(), message(0));
});

for (const [name, { tokenizer: json, cases }] of Object.entries({ byteLevel, byteFallback })) {
  const landmark = json.added_tokens.find(({ content }) => content === "<|landmark|>")!.id;
  const vocab = Object.keys(json.model.vocab).length;

  Deno.test(`loadTokenizer() agrees with the Rust library on ${name}`, async () => {
    const tokenizer = await load(json, vocab, landmark);
    equal(tokenizer.vocabSize, vocab);
    for (const { text, ids, decoded } of cases) {
      deepEqual([...tokenizer.encode(text)], ids, JSON.stringify(text));
      equal(tokenizer.decode(ids), decoded);
    }
    deepEqual(tokenizer.encode(""), new Int32Array(0));
    equal(tokenizer.decode([]), "");
  });

  Deno.test(`loadTokenizer() streams as it encodes whole on ${name}`, async () => {
    const tokenizer = await load(json, vocab, landmark);
    for (const { text } of cases) checkStreams(tokenizer, text);
    // Longer than the pieces that are encoded at once; some borders are not safe to cut at.
    const book = (await Deno.readTextFile("books/opticks.txt")).slice(50_000, 62_000);
    checkStreams(tokenizer, book + TEXT);
  });

  Deno.test(`loadTokenizer() shows no landmark on ${name}`, async () => {
    const tokenizer = await load(json, vocab, landmark);
    const [a, b] = ["one", " two"].map((text) => [...tokenizer.encode(text)]);
    const plain = tokenizer.decode([...a, ...b]);
    equal(tokenizer.decode([...a, landmark, ...b, landmark]), plain);
    equal(tokenizer.decode([vocab + 5, ...a, -1, ...b]), plain);
    const decoder = tokenizer.decoder();
    const pieces = [...a, landmark, ...b].map((id) => decoder.push([id]));
    equal(pieces.join("") + decoder.end(), plain);
    throws(() => tokenizer.encode("x <|landmark|>"), {
      name: "RangeError",
      message: 'Cannot encode text as it must not spell the landmark, "<|landmark|>"',
    });
    throws(() => tokenizer.encode(LONE), /lone surrogate U\+D83D at index 2/);
  });
}

Deno.test("a byte-level stream that makes no character is not held for ever", async () => {
  const { tokenizer: json } = byteLevel;
  const tokenizer = await load(json, 400, 1);
  const first = tokenizer.encode("石")[0]; // the first byte of three
  const decoder = tokenizer.decoder();
  const text = decoder.push(Array(40).fill(first));
  equal(text.length >= 32, true, text);
  equal((text + decoder.end()).length, 40);
});

Deno.test("loadTokenizer() refuses what does not fit the model or the library", async () => {
  const { tokenizer: json } = byteLevel;
  const refuses = (what: Promise<unknown>, message: RegExp) =>
    rejects(() => what, (error) => {
      equal(error instanceof TokenizerError, true, String(error));
      equal(message.test((error as Error).message), true, (error as Error).message);
      return true;
    });
  await refuses(load(json, 399, 1), /in the model's vocabulary, \[0, 398\]: ".*" is 399/);
  await refuses(load(json, 400, 300), /the landmark's id, 300, must be that of no text: it is/);
  await refuses(load([], 400, 1), /must be an object with a "model"/);
  await refuses(load({ ...json, model: { type: "BPE" } }, 400, 1), /"model.vocab" must be/);
  await refuses(load({ ...json, added_tokens: [{}] }, 400, 1), /"added_tokens" must be a list/);
  const huge = [{ ...json.added_tokens[0], id: 4e9 }];
  await refuses(load({ ...json, added_tokens: huge }, 400, 1), /"<\|end\|>" is 4000000000/);
  const unigram = { type: "Unigram", vocab: [["a", 0]], unk_id: 0, byte_fallback: true };
  await refuses(load({ ...json, model: unigram }, 400, 1), /Unigram with byte_fallback/);
  const unknown = { ...json, pre_tokenizer: { type: "Oracle" } };
  await refuses(load(unknown, 400, 1), /supported/);
  await refuses(load(json, 400, 1, []), /"tokenizer_config.json" must be an object/);
});

Deno.test("loadTokenizer() says which file is missing or broken", async () => {
  const config = await folderConfig({ tokenizer: "tokenizer.json" });
  await rejects(() => loadTokenizer(memoryFiles(), "m", config), FileError);
  const files = memoryFiles({ "m/tokenizer.json": new TextEncoder().encode('{"a":1,"a":2}') });
  await rejects(() => loadTokenizer(files, "m", config), /"m\/tokenizer.json" must be JSON.*twice/);
  const bytes = await loadTokenizer(memoryFiles(), "m", await folderConfig({}));
  equal(bytes.name, "bytes");
});

async function textOf(chunks: Uint8Array[]): Promise<string> {
  let text = "";
  for await (const piece of utf8Text(ReadableStream.from(chunks))) text += piece;
  return text;
}

Deno.test("utf8Text() reads text whatever the chunks", async () => {
  const bytes = new TextEncoder().encode("\uFEFF" + TEXT + "\uFEFF");
  for (const step of [1, 2, 3, 5, 1000]) {
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < bytes.length; i += step) chunks.push(bytes.slice(i, i + step));
    equal(await textOf(chunks), TEXT + "\uFEFF", `in chunks of ${step}`);
  }
  equal(await textOf([]), "");
});

Deno.test("utf8Text() tells the offset of the first byte that is not UTF-8", async () => {
  const bad: [number[], number][] = [
    [[0x80], 0],
    [[97, 0xff, 98], 1],
    [[0xe2, 0x28, 0xa1], 1],
    [[97, 0xc0, 0xaf], 1],
    [[0xed, 0xa0, 0x80], 1], // a surrogate
    [[0xf4, 0x90, 0x80, 0x80], 1], // beyond U+10FFFF
    [[97, 98, 0xe2, 0x9b], 2], // cut
    [[0xf0, 0x9f, 0x92], 0],
    [[97, 0xc3, 97], 2],
  ];
  for (const [bytes, at] of bad) {
    const prefix = new TextEncoder().encode(TEXT);
    for (const step of [1, 2, 100]) {
      const all = Uint8Array.from([...prefix, ...bytes]);
      const chunks: Uint8Array[] = [];
      for (let i = 0; i < all.length; i += step) chunks.push(all.slice(i, i + step));
      await rejects(() => textOf(chunks), (error) => {
        equal(error instanceof TextError, true, String(error));
        equal((error as TextError).at, prefix.length + at, `${bytes} in chunks of ${step}`);
        return true;
      });
    }
  }
});
