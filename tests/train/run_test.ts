import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Device } from "../../src/device/device.ts";
import { type Files, readBytes, readText } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { loadCheckpoint } from "../../src/model/checkpoint/checkpoint.ts";
import { parseLossLog } from "../../src/train/loss_log.ts";
import type { TrainingEvent } from "../../src/train/loop.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { runTraining } from "../../src/train/run.ts";
import { devices, testOnEach } from "../devices.ts";
import { PAGE, smallRecipe } from "./small_run.ts";

const RUN = "out/training.safetensors";

function newFiles(): Files {
  return memoryFiles({ "page.txt": new TextEncoder().encode(PAGE) });
}

async function run(
  device: Device,
  files: Files,
  options: { recipe?: Recipe; resume?: boolean; stopAfter?: number } = {},
): Promise<TrainingEvent[]> {
  const { recipe = smallRecipe(), resume = false, stopAfter = Infinity } = options;
  const abort = new AbortController();
  const events: TrainingEvent[] = [];
  const all = runTraining(recipe, "out", { device, files, resume, signal: abort.signal });
  try {
    for await (const event of all) {
      events.push(event);
      if (event.kind === "step" && event.step === stopAfter) abort.abort();
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
  return events;
}

testOnEach("runTraining() leaves a model, its losses and a picture of them", async (device) => {
  const files = newFiles();
  const events = await run(device, files);
  deepEqual(
    events.map(({ kind, step }) => `${kind} ${step}`),
    [
      ...["step 1", "step 2", "saved 2", "step 3", "evaluation 3", "step 4", "saved 4"],
      ...["step 5", "step 6", "evaluation 6", "saved 6"],
    ],
  );
  const { weights, config } = await loadCheckpoint(files, "out/model");
  equal(config.landmark!.blockSize, 8);
  equal(weights.get("model.norm.weight")!.data.length, 16);

  const rows = parseLossLog(await readText(files, "out/losses.jsonl"));
  deepEqual(rows.map(({ step }) => step), [1, 2, 3, 3, 4, 5, 6, 6]);
  ok(rows[0].loss! > 5 && rows[3].heldOut!.bitsPerByte > 5);
  const picture = await readText(files, "out/loss.svg");
  ok(picture.startsWith("<svg") && picture.includes("held-out text"));
});

for (const stopAfter of [2, 3]) {
  const what = stopAfter === 2 ? "at a checkpoint" : "between checkpoints";
  testOnEach(`runTraining() goes on to the same bits when stopped ${what}`, async (device) => {
    const [whole, parts] = [newFiles(), newFiles()];
    await run(device, whole);
    const before = await run(device, parts, { stopAfter });
    equal(before.filter(({ kind }) => kind === "step").length, stopAfter);
    const after = await run(device, parts, { resume: true });
    equal(after.find(({ kind }) => kind === "step")!.step, stopAfter + 1);
    for (const path of [RUN, "out/model/model.safetensors"]) {
      deepEqual(await readBytes(parts, path), await readBytes(whole, path), path);
    }
    const losses = async (files: Files) =>
      parseLossLog(await readText(files, "out/losses.jsonl"))
        .map(({ tokensPerSecond: _, ...row }) => row);
    deepEqual(await losses(parts), await losses(whole));
  });
}

Deno.test("runTraining() frees all it holds when its reader stops listening", async () => {
  const [{ device }] = devices;
  const before = device.bytes;
  for await (const _ of runTraining(smallRecipe(), "out", { device, files: newFiles() })) break;
  equal(device.bytes, before);
});

Deno.test("runTraining() refuses to go on by another recipe or text, and says what changed", async () => {
  const [{ device }] = devices;
  const files = newFiles();
  await run(device, files, { stopAfter: 2 });
  const resume = (recipe: Recipe, from = files) => run(device, from, { recipe, resume: true });
  await rejects(resume(smallRecipe({ seed: 2, optimizer: { warmUp: 2, clip: 0.1, rate: 1 } })), {
    name: "RangeError",
    message: `Cannot go on from "${RUN}" as recipe and text must be those it was begun with: ` +
      "optimizer.rate is 1, it was 0.002; seed is 2, it was 1",
  });
  const other = memoryFiles({
    "page.txt": new TextEncoder().encode(PAGE.toUpperCase()),
    [RUN]: await readBytes(files, RUN),
  });
  await rejects(resume(smallRecipe(), other), /data\.train is "[0-9a-f]{64}", it was "/);
  // How often a run is looked at is nobody's business but the reader's.
  await resume(smallRecipe({ checkpointEvery: 6, evaluation: { every: 6 } }));
});

Deno.test("runTraining() refuses a folder with a run in it, or without one to go on with", async () => {
  const [{ device }] = devices;
  const files = newFiles();
  await rejects(run(device, files, { resume: true }), {
    message: 'Cannot go on training as "out" must hold training.safetensors: it is not there',
  });
  await run(device, files, { stopAfter: 2 });
  await rejects(run(device, files), {
    message: 'Cannot train as "out" holds a run: go on with it, or name another folder',
  });
});

Deno.test("runTraining() refuses a saved run that is cut or is something else", async () => {
  const [{ device }] = devices;
  const files = newFiles();
  await run(device, files);
  const page = await readBytes(files, "page.txt");
  const broken = (bytes: Uint8Array<ArrayBuffer>) =>
    run(device, memoryFiles({ "page.txt": page, [RUN]: bytes }), { resume: true });
  await rejects(broken((await readBytes(files, RUN)).slice(0, -4)), { name: "CheckpointError" });
  await rejects(broken(await readBytes(files, "out/model/model.safetensors")), {
    name: "CheckpointError",
    message: /must be a saved run \("cairn training 1"\): current value is "pt"/,
  });
});

Deno.test("runTraining() leaves the last checkpoint whole when the disk is full", async () => {
  const [{ device }] = devices;
  const room = newFiles();
  await run(device, room, { stopAfter: 2 });
  const used = (await readBytes(room, RUN)).length + PAGE.length;
  const files = memoryFiles({ "page.txt": new TextEncoder().encode(PAGE) }, {
    // Room for one checkpoint and the losses, not for a second one beside it.
    capacityBytes: Math.floor(used * 1.5),
  });
  await rejects(run(device, files), { name: "FileError", problem: "full" });
  deepEqual(await readBytes(files, RUN), await readBytes(room, RUN));
});
