// Compiles asm/ to the four builds of the kernels: build/kernels.ts holds them, deflated, as text, so
// that a bundle carries them; the .wasm files beside are for runtimes that want a module of their
// own. A threaded build differs from the other in one byte, the kind of its memory.
// Does nothing if neither asm/, nor this script, nor the compiler has changed since the last build.

const ROOT = new URL("../", import.meta.url);
const SOURCES = new URL("asm/", ROOT);
const BUILD = new URL("build/", ROOT);

const BUILDS = [
  { name: "simd", features: ["simd"] },
  { name: "relaxed", features: ["simd", "relaxed-simd"] },
];
const COMMON = [
  ["--runtime", "stub"],
  ["--noAssert", "-O3"],
  // 65536 pages are the 4 GiB that an address can reach.
  ["--importMemory", "--noExportMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
].flat();

/** The sources by file name, and a fingerprint of all that decides the build. */
async function readSources(): Promise<{ sources: Map<string, string>; hash: string }> {
  const names = Array.from(Deno.readDirSync(SOURCES), (entry) => entry.name)
    .filter((name) => name.endsWith(".ts")).sort();
  const sources = new Map(
    names.map((name) => [name, Deno.readTextFileSync(new URL(name, SOURCES))]),
  );
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const script = Deno.readTextFileSync(new URL(import.meta.url));
  const all = JSON.stringify([...sources, script, imports.assemblyscript]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(all));
  return { sources, hash: new Uint8Array(digest).toHex() };
}

/** One build. @throws {Error} With the compiler's messages. */
async function compile(sources: Map<string, string>, flags: string[]): Promise<Uint8Array> {
  const { default: asc } = await import("assemblyscript/asc");
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ["index.ts", ...COMMON, ...flags, "--outFile", "kernels.wasm"],
    {
      readFile: (name) => sources.get(name.replace("asm/", "")) ?? null,
      writeFile: (_name, contents) => void (wasm = contents as Uint8Array),
      listFiles: () => [],
    },
  );
  if (error || !wasm) throw new Error(`Cannot compile asm/:\n${stderr}`, { cause: error });
  return wasm;
}

/** Deflated, in base64. */
async function pack(wasm: Uint8Array): Promise<string> {
  const stream = new Blob([wasm.slice()]).stream()
    .pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer()).toBase64();
}

/** Where two builds differ: in the kind of their memory, 1 for one with a limit, 3 for a shared one. */
function placeOfKind(wasm: Uint8Array, shared: Uint8Array): number {
  const places = [...wasm.keys()].filter((i) => wasm[i] !== shared[i]);
  const [at] = places;
  if (places.length === 1 && wasm.length === shared.length && wasm[at] === 1 && shared[at] === 3) {
    return at;
  }
  throw new Error(`Cannot keep two builds as one: they differ at ${places.slice(0, 9)}`);
}

/** Writes beside and renames, so that nobody reads half a file. */
function writeWhole(name: string, contents: Uint8Array | string): void {
  const beside = new URL(`${name}.${Deno.pid}`, BUILD);
  if (typeof contents === "string") Deno.writeTextFileSync(beside, contents);
  else Deno.writeFileSync(beside, contents);
  Deno.renameSync(beside, new URL(name, BUILD));
}

function readOrEmpty(name: string): string {
  try {
    return Deno.readTextFileSync(new URL(name, BUILD));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

const { sources, hash } = await readSources();
if (readOrEmpty("kernels.hash") === hash) {
  console.error("kernels: up to date");
} else {
  const start = performance.now();
  Deno.mkdirSync(BUILD, { recursive: true });
  let text = "// Made by scripts/build.ts from asm/: the kernels, deflated, in base64.\n\n";
  const sizes: string[] = [];
  for (const { name, features } of BUILDS) {
    const wasm = await compile(sources, ["--enable", features.join()]);
    const threads = [...features, "threads"].join();
    const shared = await compile(sources, ["--enable", threads, "--sharedMemory"]);
    writeWhole(`${name}.wasm`, wasm);
    writeWhole(`${name}Threads.wasm`, shared);
    text += `export const ${name} = {\n  packed: "${await pack(wasm)}",\n`;
    text += `  sharedAt: ${placeOfKind(wasm, shared)},\n};\n`;
    sizes.push(`${name} ${wasm.length}`);
  }
  writeWhole("kernels.ts", text);
  writeWhole("kernels.hash", hash);
  const elapsed = Math.round(performance.now() - start);
  console.error(`kernels: ${sizes.join(", ")} bytes, ${text.length} as text, in ${elapsed} ms`);
}
