import { deepEqual, equal, rejects } from "node:assert/strict";
import { writeText } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { assertClose } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { CONFIG } from "../memory/small_model.ts";
import { answer, openSmall, TEXT } from "./small_cairn.ts";

testOnEach("a saved session goes on to the same text", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  await session.read(TEXT);
  await session.save("a.cairn");
  using again = await cairn.restore("a.cairn");
  equal(again.tokens, session.tokens);
  deepEqual((await answer(again, "?")).ids, (await answer(session, "?")).ids);
  deepEqual((await answer(again, "")).ids, (await answer(session, "")).ids);
});

Deno.test("a snapshot of another model is refused; one of another device is not", async () => {
  const disk = memoryFiles();
  const openOn = async (device: "cpu" | "reference", config = CONFIG) => {
    const { referenceDevice } = await import("../../src/device/reference/reference_device.ts");
    const { openDevice } = await import("../../src/device/open.ts");
    const opened = device === "reference" ? referenceDevice() : await openDevice({ threads: 1 });
    return await openSmall(opened, { disk, config });
  };
  using cpu = await openOn("cpu");
  using session = cpu.session();
  await session.read(TEXT);
  await session.save("a.cairn");
  using reference = await openOn("reference");
  using there = await reference.restore("a.cairn");
  assertClose(await there.logits([97]), await session.logits([97]), { atol: 1e-4, rtol: 1e-4 });
  using other = await openOn("cpu", { ...CONFIG, epsilon: 1e-6 });
  await rejects(other.restore("a.cairn"), {
    name: "SnapshotError",
    message: 'Cannot restore "a.cairn" as it is of another model',
  });
  await writeText(disk, "b.cairn", "no snapshot, but long enough to be one: ".repeat(3));
  await rejects(cpu.restore("b.cairn"), { name: "SnapshotError" });
  await rejects(cpu.restore("c.cairn"), { name: "FileError", problem: "missing" });
});
