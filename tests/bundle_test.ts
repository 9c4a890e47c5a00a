import { equal, match, ok } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

async function deno(args: string[], cwd: string | URL, env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), { args, cwd, env });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), note: decoder.decode(stderr) };
}

Deno.test("the bundle does the demo from an empty folder, without a network", async () => {
  const made = await deno(["run", "-A", "scripts/bundle.ts"], ROOT);
  equal(made.code, 0, made.note);
  match(made.out, /^dist\/mod\.js {4}\d+ kB, the module/);
  ok(Deno.statSync(new URL("dist/mod.js", ROOT)).size <= 300_000);

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
