import { deepEqual, equal, match, ok } from "node:assert/strict";
import { run } from "./command_line.ts";

Deno.test("devices lists every device", async () => {
  const { out } = await run("devices --json --threads 1");
  const found = JSON.parse(out);
  deepEqual(found.map(({ device }: { device: string }) => device), [
    "auto",
    "cpu",
    "gpu",
    "reference",
  ]);
  const [auto, cpu, gpu] = found;
  const hardware = gpu.available && !gpu.info.details.software;
  equal(auto.info.kind, hardware ? "gpu" : "cpu");
  equal(cpu.info.kind, "cpu");
  if (gpu.available) ok(gpu.info.tensorBytes >= 2 ** 27, JSON.stringify(gpu));
  else match(gpu.reason, /^Cannot open a GPU as there must be an adapter/);
  const names = hardware ? "gpu" : "cpu";
  match((await run("devices")).out, new RegExp(`^auto takes ${names}\ncpu: WebAssembly`));
});

Deno.test("auto takes no GPU without a driver, and says nothing about it", async () => {
  // Without a screen Mesa's drivers complain.
  const quiet = { XDG_RUNTIME_DIR: "", DENO_NO_UPDATE_CHECK: "1" };
  const args = "run -A src/cli/main.ts generate --max-tokens 2 --json a".split(" ");
  for (const env of [quiet, { ...quiet, VK_DRIVER_FILES: "/nonexistent" }]) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: new URL("../../", import.meta.url),
      env,
    }).output();
    equal(new TextDecoder().decode(stderr), "");
    equal(code, 0);
    equal(JSON.parse(new TextDecoder().decode(stdout)).ids.length, 2);
  }
});
