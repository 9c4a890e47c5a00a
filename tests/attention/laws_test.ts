/** The laws of every mechanism: how calls cut a text, what comes later, and its neighbours never matter. */

import { equal, ok, rejects, throws } from "node:assert/strict";
import { withMarkers } from "../../src/session/reader.ts";
import { forward } from "../../src/train/pass.ts";
import type { Device } from "../../src/device/device.ts";
import { eagerOps } from "../../src/device/ops.ts";
import { hiddenStates } from "../../src/model/transformer.ts";
import type { Batch, Mechanism, Step } from "../../src/attention/mechanism.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { randomText, readInCuts, type SmallModel, smallModel } from "../memory/small_model.ts";
import { MODELS } from "./models.ts";

const SEED = 11;
/** f32 sums of another order, through three layers. */
const NEAR = { atol: 3e-5, rtol: 3e-5 };
/** Not a multiple of any window, segment or block. */
const LENGTH = 45;

/** Rows of text, markers put in, with nothing to learn. */
function rowsOf(mechanism: Mechanism, texts: readonly Int32Array[]): TrainingBatch & {
  places: Int32Array;
} {
  const marked = texts.map((ids) => withMarkers(ids, 0, mechanism.marker));
  const ids = Int32Array.from(marked.flatMap(({ tokens }) => [...tokens]));
  return {
    rows: texts.length,
    length: marked[0].tokens.length,
    ids,
    targets: new Int32Array(ids.length),
    weights: new Float32Array(ids.length).fill(1),
    kinds: texts.map(() => "text"),
    nameless: new Uint8Array(0),
    negatives: undefined,
    places: marked[0].places,
  };
}

/** The logits of the tokens of text, row by row, read at once. */
async function atOnce(
  { device, model, mechanism }: SmallModel,
  texts: readonly Int32Array[],
  masks: Partial<Batch> = {},
): Promise<Float32Array[]> {
  const batch = rowsOf(mechanism, texts);
  const { vocab } = model.config;
  const { logits } = await forward({ device, model, mechanism }, { ...batch, ...masks });
  return texts.map((_, row) =>
    Float32Array.from(
      [...batch.places].flatMap((place) => {
        const at = (row * batch.length + place) * vocab;
        return [...logits.subarray(at, at + vocab)];
      }),
    )
  );
}

/** What a GPU adds is in its kernels, which have tests of their own: there a few models will do. */
const ON_GPU = ["infini, delta, from a memory", "xl", "landmark, infini and window"];

for (const [name, config] of MODELS) {
  const isFor = ({ info: { kind } }: Device): boolean => kind !== "gpu" || ON_GPU.includes(name);
  testOnEach(`${name}: reading as one goes is reading at once`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const ids = randomText(1, LENGTH);
    const [expected] = await atOnce(small, [ids]);
    using reader = small.reader();
    assertClose(await readInCuts(reader, ids), expected, NEAR);
  }, isFor);

  testOnEach(`${name}: how calls cut a text does not matter`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const ids = randomText(2, LENGTH);
    using whole = small.reader();
    const expected = await readInCuts(whole, ids);
    for (const cuts of [[8], [1, 2, 3, 20, 40], Array.from({ length: 44 }, (_, i) => i + 1)]) {
      using reader = small.reader();
      assertClose(await readInCuts(reader, ids, cuts), expected, NEAR, `cuts at ${cuts}`);
    }
  }, isFor);

  testOnEach(`${name}: what comes later does not matter`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const ids = randomText(3, LENGTH);
    const { vocab } = config;
    const [before] = await atOnce(small, [ids]);
    for (const at of [1, 8, 13, 30]) {
      const changed = ids.map((id, t) => t >= at ? 219 - id : id);
      const [after] = await atOnce(small, [changed]);
      assertClose(after.subarray(0, at * vocab), before.subarray(0, at * vocab), NEAR, `at ${at}`);
      const rest = before.subarray(at * vocab);
      ok(after.subarray(at * vocab).some((x, i) => Math.abs(x - rest[i]) > 1e-3), `at ${at}`);
    }
  }, isFor);

  testOnEach(`${name}: rows do not see each other`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const texts = [randomText(4, LENGTH), randomText(5, LENGTH), randomText(6, LENGTH)];
    const together = await atOnce(small, texts);
    for (const [row, ids] of texts.entries()) {
      assertClose(together[row], (await atOnce(small, [ids]))[0], NEAR, `row ${row}`);
    }
  }, isFor);

  testOnEach(`${name}: a state that was saved goes on to the same bits`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const { mechanism, bookkeeping, files } = small;
    const ids = randomText(7, LENGTH);
    for (const at of [0, 5, 8, 29]) {
      using reader = small.reader();
      await reader.feed(ids.subarray(0, at));
      const { about, records } = reader.state.save();
      const saved = { about: JSON.parse(JSON.stringify(about)), records: await listOf(records) };
      const options = { bookkeeping, files };
      using other = small.readerOf(await mechanism.restore(device, saved, options));
      equal(other.state.length, reader.state.length);
      const rest = ids.subarray(at);
      assertClose(await readInCuts(other, rest), await readInCuts(reader, rest), EXACT, `at ${at}`);
    }
  }, isFor);

  testOnEach(`${name}: a fork goes on alone`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const ids = randomText(8, LENGTH);
    using reader = small.reader();
    await reader.feed(ids.subarray(0, 21));
    using left = reader.fork();
    using right = reader.fork();
    await right.feed(randomText(9, 30));
    const rest = ids.subarray(21);
    assertClose(await readInCuts(left, rest), await readInCuts(reader, rest), EXACT);
  }, isFor);

  testOnEach(`${name}: a step that is given up leaves no trace`, async (device) => {
    using small = await smallModel(device, SEED, config);
    const ids = randomText(10, LENGTH);
    using reader = small.reader();
    await reader.feed(ids.subarray(0, 19));
    {
      using step = reader.state.step(2);
      using ops = eagerOps(device);
      const tokens = ops.input([2], { dtype: "i32", data: [1, 2] });
      await hiddenStates(ops, small.model, tokens, step.attend);
    }
    using other = small.reader();
    await other.feed(ids.subarray(0, 19));
    const rest = ids.subarray(19);
    assertClose(await readInCuts(reader, rest), await readInCuts(other, rest), EXACT);
  }, isFor);

  testOnEach(
    `${name}: steps begun behind others are committed in order, or not`,
    async (device) => {
      using small = await smallModel(device, SEED, config);
      const ids = randomText(13, LENGTH);
      using reader = small.reader();
      // Neither a marker nor a border is near.
      await reader.feed(ids.subarray(0, 18));
      const { state } = reader;
      const begin = async (at: number, behind: number): Promise<Step> => {
        const step = state.step(1, { behind });
        using ops = eagerOps(device);
        const tokens = ops.input([1], { dtype: "i32", data: [ids[at]] });
        await hiddenStates(ops, small.model, tokens, step.attend);
        return step;
      };
      const order = { name: "TypeError", message: /Cannot go on with a step/ };
      const { length } = state;
      {
        using first = await begin(18, 0);
        using second = await begin(19, 1);
        using third = await begin(3, 2);
        await rejects(second.commit(), order);
        equal(state.length, length);
        await first.commit();
        equal(state.length, length + 1);
        await second.commit();
        throws(() => state.step(state.room, { behind: 1 }), RangeError);
        using _other = state.step(1);
        await rejects(third.commit(), order);
      }
      using other = small.reader();
      await other.feed(ids.subarray(0, 20));
      const rest = ids.subarray(20);
      assertClose(await readInCuts(reader, rest), await readInCuts(other, rest), NEAR);
    },
    isFor,
  );

  testOnEach(
    `${name}: a state whose memory is bounded holds as much after more`,
    async (device) => {
      using small = await smallModel(device, SEED, config);
      if (!small.mechanism.capabilities.boundedState) return;
      using reader = small.reader();
      await reader.feed(randomText(11, 40));
      const { bytes, usage } = reader.state;
      await reader.feed(randomText(12, 200));
      equal(reader.state.bytes, bytes);
      equal(usage.memoryBytes + usage.localBytes, bytes);
    },
    isFor,
  );
}

async function listOf(records: AsyncIterable<Uint8Array>) {
  const list: Uint8Array[] = [];
  for await (const record of records) list.push(record.slice());
  return (async function* () {
    yield* list;
  })();
}
