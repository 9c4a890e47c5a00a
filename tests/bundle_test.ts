import { equal, match, ok } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** The module in parts computes on the CPU. */
const MODULE_USE = `
  const { openDevice } = await import("./mod.js");
  using device = await openDevice({ device: "cpu", threads: 1 });
  using x = device.tensor([2], { data: [1, 2] });
  using y = device.tensor([2], { data: [2, 3] });
  device.add(x, y, y);
  console.log(String(await device.read(y)));
`;

async function deno(args: string[], cwd: string | URL, env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), { args, cwd, env });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), note: decoder.decode(stderr) };
}

Deno.test("the bundle does the demo from an empty folder, without a network", async () => {
  const made = await deno(["run", "-A", "scripts/bundle.ts"], ROOT);
  equal(made.code, 0, made.note);
  const [, core] = made.out.match(/^dist\/module\/ {2}(\d+) kB, what everyone loads/)!;
  ok(Number(core) <= 300, made.out);
  match(made.out, /gpu_device-\w+\.js, when needed/);
  const use = await deno(["eval", "--no-config", MODULE_USE], new URL("dist/module/", ROOT));
  equal(use.out, "3,5\n", use.note);

  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile(new URL("dist/cairn.js", ROOT), `${folder}/cairn.js`);
    const options = ["--allow-read", "--allow-env", "--deny-net", "--cached-only", "--no-config"];
    const demo = "demo --letters 3000 --seed 2 --json".split(" ");
    const { code, out, note } = await deno(["run", ...options, "cairn.js", ...demo], folder, {
      DENO_DIR: `${folder}/cache`,
    });
    equal(code, 0, note);
    equal(JSON.parse(out).right, true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
