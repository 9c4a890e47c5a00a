// Bundles the program, with the embedded model and the book, into one file: dist/cairn.js runs
// `demo` from an empty folder without a network. Beside it dist/mod.js, the module alone.

import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const DIST = new URL("dist/", ROOT);
const MODEL_FILES = ["config.json", "model.safetensors"];
/** What the module alone may take. */
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

async function packed(path: string): Promise<string> {
  return await packedText(Deno.readFileSync(new URL(path, ROOT)));
}

async function packedText(contents: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const plain = new Blob([contents]).stream();
  const gzip = plain.pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(gzip).arrayBuffer()).toBase64();
}

function bundle(entry: URL, output: URL): number {
  const { code, stderr } = new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      "--minify",
      "--platform",
      "deno",
      "-o",
      fileURLToPath(output),
      entry.href,
    ],
    cwd: ROOT,
  }).outputSync();
  if (code !== 0) throw new Error(`Cannot bundle ${entry}:\n${new TextDecoder().decode(stderr)}`);
  return Deno.statSync(output).size;
}

/**
 * The module with its WGSL deflated: a copy of the sources, in which every kernel is taken from one
 * packed text. Unpacked, the kernels would be as large as all the rest.
 */
async function packKernels(tree: URL): Promise<URL> {
  const shaders: Record<string, string> = {};
  for (const { name } of Deno.readDirSync(new URL("wgsl/", ROOT))) {
    // WGSL has no texts in which a comment could seem to begin.
    shaders[name] = Deno.readTextFileSync(new URL(`wgsl/${name}`, ROOT))
      .replace(/\s*\/\/.*$/gm, "").replace(/^\s+/gm, "");
  }
  const text = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
  const write = (path: string, contents: string) => {
    const to = new URL(path, tree);
    Deno.mkdirSync(new URL("./", to), { recursive: true });
    Deno.writeTextFileSync(to, contents);
  };
  for (const path of ["mod.ts", "deno.json", "build/kernels.ts"]) write(path, text(path));
  for (const path of filesUnder("src/")) {
    const kernels =
      /^import (\w+) from\s+"[./]*\/wgsl\/(\w+\.wgsl)" with \{\s*type: "text",?\s*\};$/gm;
    const depth = "../".repeat(path.split("/").length - 1);
    const changed = text(path).replace(
      kernels,
      (_, variable, name) =>
        `import shaders_${variable} from "${depth}shaders.ts";\n` +
        `const ${variable}: string = shaders_${variable}["${name}"];`,
    );
    write(path, changed);
  }
  write("shaders.ts", shadersModule(await packedText(JSON.stringify(shaders))));
  return new URL("mod.ts", tree);
}

function shadersModule(text: string): string {
  return `const bytes = Uint8Array.from(atob("${text}"), (char) => char.charCodeAt(0));
const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
const shaders: Record<string, string> = JSON.parse(await new Response(plain).text());
export default shaders;
`;
}

function* filesUnder(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* filesUnder(`${folder}${name}/`);
    else yield folder + name;
  }
}

Deno.mkdirSync(DIST, { recursive: true });
const tree = new URL("tree/", DIST);
const core = bundle(await packKernels(tree), new URL("mod.js", DIST));
Deno.removeSync(tree, { recursive: true });

const assets: Record<string, string> = { "opticks.txt": await packed("books/opticks.txt") };
for (const name of MODEL_FILES) assets[name] = await packed(`models/tiny/${name}`);
const made = [new URL("assets.ts", DIST), new URL("entry.ts", DIST)];
Deno.writeTextFileSync(
  made[0],
  `const assets: Record<string, string> = ${JSON.stringify(assets)};\nexport default assets;\n`,
);
Deno.writeTextFileSync(made[1], ENTRY);
const whole = bundle(made[1], new URL("cairn.js", DIST));
for (const file of made) Deno.removeSync(file);

const kB = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;
console.log(`dist/mod.js    ${kB(core)}, the module (at most ${kB(CORE_LIMIT_BYTES)})`);
console.log(`dist/cairn.js  ${kB(whole)}, the commands with model and book`);
if (core > CORE_LIMIT_BYTES) {
  console.error(`dist/mod.js must be at most ${CORE_LIMIT_BYTES} bytes: current value is ${core}`);
  Deno.exit(1);
}
