// Bundles the program, with the embedded model and the book, into one file: dist/cairn.js runs
// `demo` from an empty folder without a network. Beside it dist/module/, the module alone.

import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const DIST = new URL("dist/", ROOT);
const MODEL_FILES = ["config.json", "model.safetensors"];
/** What the module may take, the parts aside that are loaded when they are asked for. */
const CORE_LIMIT_BYTES = 300_000;

/** The entry of dist/cairn.js: the command line, and what the repository would give it. */
const ENTRY = `
import { runProcess } from "../src/cli/main.ts";
import { memoryFiles } from "../src/io/memory_files.ts";
import assets from "./assets.ts";

async function unpack(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([Uint8Array.fromBase64(assets[name])]).stream();
  const plain = packed.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

await runProcess({
  async model() {
    const names = ${JSON.stringify(MODEL_FILES)};
    const files: Record<string, Uint8Array> = {};
    for (const name of names) files["tiny/" + name] = await unpack(name);
    return { folder: "tiny", files: memoryFiles(files) };
  },
  book: async () => new TextDecoder().decode(await unpack("opticks.txt")),
});
`;

/** A file deflated, in base64. */
async function packed(path: string): Promise<string> {
  const plain = new Blob([Deno.readFileSync(new URL(path, ROOT))]).stream();
  const gzip = plain.pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(gzip).arrayBuffer()).toBase64();
}

function runBundle(entry: URL, options: readonly string[]): void {
  const common = ["bundle", "--quiet", "--minify", "--platform", "deno"];
  const { code, stderr } = new Deno.Command(Deno.execPath(), {
    args: [...common, ...options, entry.href],
    cwd: ROOT,
  }).outputSync();
  if (code !== 0) throw new Error(`Cannot bundle ${entry}:\n${new TextDecoder().decode(stderr)}`);
}

/**
 * The module in parts: what everyone loads, and what is loaded when it is asked for, such as the
 * kernels of the GPU.
 *
 * @returns Bytes of the one, and of each of the others by its file's name.
 */
function bundleModule(folder: URL): { core: number; parts: Map<string, number> } {
  const options = ["--code-splitting", "--outdir", fileURLToPath(folder)];
  runBundle(new URL("mod.ts", ROOT), options);
  const sizes = new Map(
    Array.from(
      Deno.readDirSync(folder),
      ({ name }) => [name, Deno.statSync(new URL(name, folder)).size] as const,
    ),
  );
  const loaded = new Set<string>();
  const load = (name: string): void => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const text = Deno.readTextFileSync(new URL(name, folder));
    // An import that is no call: those of parts that wait are `import("./…")`.
    for (const [, next] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) load(next);
  };
  load("mod.js");
  const core = [...loaded].reduce((sum, name) => sum + sizes.get(name)!, 0);
  return { core, parts: new Map([...sizes].filter(([name]) => !loaded.has(name))) };
}

Deno.mkdirSync(DIST, { recursive: true });
const folder = new URL("module/", DIST);
await Deno.remove(folder, { recursive: true }).catch(() => {});
const { core, parts } = bundleModule(folder);

const assets: Record<string, string> = { "opticks.txt": await packed("books/opticks.txt") };
for (const name of MODEL_FILES) assets[name] = await packed(`models/tiny/${name}`);
const made = [new URL("assets.ts", DIST), new URL("entry.ts", DIST)];
Deno.writeTextFileSync(
  made[0],
  `const assets: Record<string, string> = ${JSON.stringify(assets)};\nexport default assets;\n`,
);
Deno.writeTextFileSync(made[1], ENTRY);
const program = new URL("cairn.js", DIST);
runBundle(made[1], ["-o", fileURLToPath(program)]);
for (const file of made) Deno.removeSync(file);

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;
console.log(`dist/module/  ${kB(core)}, what everyone loads (at most ${kB(CORE_LIMIT_BYTES)})`);
for (const [name, bytes] of parts) console.log(`              ${kB(bytes)}, ${name}, when needed`);
console.log(`dist/cairn.js ${kB(Deno.statSync(program).size)}, the commands with model and book`);
if (core > CORE_LIMIT_BYTES) {
  console.error(
    `dist/module/mod.js and what it imports must be at most ${CORE_LIMIT_BYTES} bytes: ` +
      `current value is ${core}`,
  );
  Deno.exit(1);
}
