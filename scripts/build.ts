// Compiles asm/ to the four builds of the kernels: build/kernels.ts holds them all, deflated, as
// text, so that a bundle carries them; the .wasm files beside are for runtimes that want a module of
// their own.
// Does nothing if neither asm/, nor this script, nor the compiler has changed since the last build.

const ROOT = new URL("../", import.meta.url);
const SOURCES = new URL("asm/", ROOT);
const BUILD = new URL("build/", ROOT);

const BUILDS = [
  { name: "simd", features: ["simd"], shared: false },
  { name: "simdThreads", features: ["simd", "threads"], shared: true },
  { name: "relaxed", features: ["simd", "relaxed-simd"], shared: false },
  { name: "relaxedThreads", features: ["simd", "relaxed-simd", "threads"], shared: true },
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
  for (const { name, features, shared } of BUILDS) {
    const flags = ["--enable", features.join(), ...(shared ? ["--sharedMemory"] : [])];
    const wasm = await compile(sources, flags);
    writeWhole(`${name}.wasm`, wasm);
    text += `export const ${name} = "${await pack(wasm)}";\n`;
    sizes.push(`${name} ${wasm.length}`);
  }
  writeWhole("kernels.ts", text);
  writeWhole("kernels.hash", hash);
  const elapsed = Math.round(performance.now() - start);
  console.error(`kernels: ${sizes.join(", ")} bytes, ${text.length} as text, in ${elapsed} ms`);
}
