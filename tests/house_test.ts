/** Holds the house in order: who may import whom, and where the world outside may be touched. */

import { deepEqual } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** From top to bottom; a file may import from its own layer and from those below. */
const LAYERS: readonly RegExp[] = [
  /^(mod\.ts|src\/edge\.ts|src\/(cli|server|web)\/)/,
  /^src\/((session|train|eval)\/|cairn\.ts)/,
  /^src\/model\//,
  /^src\/attention\//,
  /^src\/memory\//,
  /^src\/device\//,
  /^(src\/io\/|src\/(half|sha256)\.ts|(build|wgsl)\/)/,
];

/** Where `Deno` and `node:` may be used. */
const OUTSIDE = ["src/cli/", "src/server/", "src/io/"];

interface SourceFile {
  /** From the root. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
}

function* sourceFiles(folder: string): Generator<SourceFile> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    const path = folder + name;
    if (isDirectory) yield* sourceFiles(`${path}/`);
    else if (/\.(ts|js)$/.test(name)) yield readSource(path);
  }
}

function readSource(path: string): SourceFile {
  const text = Deno.readTextFileSync(new URL(path, ROOT));
  return { path, code: text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "") };
}

/** mod.ts, if there is one yet, and all of src/. */
function allSources(): SourceFile[] {
  const doors = [...Deno.readDirSync(ROOT)].filter(({ name }) => name === "mod.ts");
  return [...doors.map(({ name }) => readSource(name)), ...sourceFiles("src/")];
}

/** What a file imports from this project, from the root. */
function importsOf({ path, code }: SourceFile): string[] {
  const specifiers = code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g);
  return Array.from(specifiers, ([, specifier]) => specifier)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => new URL(specifier, new URL(path, ROOT)).href.slice(ROOT.href.length));
}

function layerOf(path: string): number {
  return LAYERS.findIndex((layer) => layer.test(path));
}

Deno.test("every source file has its layer", () => {
  const lost = allSources().map(({ path }) => path).filter((path) => layerOf(path) < 0);
  deepEqual(lost, [], "name the layer of these files in LAYERS");
});

Deno.test("imports point down", () => {
  const upward = allSources().flatMap((file) =>
    importsOf(file)
      .filter((target) => layerOf(target) < layerOf(file.path))
      .map((target) => `${file.path} imports ${target}`)
  );
  deepEqual(upward, []);
});

Deno.test("only devices know the kernels, and only a device's own host its insides", () => {
  const inside = allSources().flatMap((file) =>
    importsOf(file)
      .filter((target) =>
        /^(build|asm|wgsl)\//.test(target) || /^src\/device\/(cpu|gpu|reference)\//.test(target)
      )
      .filter(() => !file.path.startsWith("src/device/"))
      .map((target) => `${file.path} imports ${target}`)
  );
  deepEqual(inside, []);
});

Deno.test("the core runs on Web APIs alone", () => {
  const users = allSources()
    .filter(({ path }) => !OUTSIDE.some((place) => path.startsWith(place)))
    .filter(({ code }) => /\bDeno\s*[.?[]|["']node:/.test(code))
    .map(({ path }) => path);
  deepEqual(users, []);
});

Deno.test("only the command line writes to the console", () => {
  const writers = allSources()
    .filter(({ path, code }) => !path.startsWith("src/cli/") && /\bconsole\s*\./.test(code))
    .map(({ path }) => path);
  deepEqual(writers, []);
});

Deno.test("importsOf() finds every form of import, and none in comments", () => {
  const text = `
    import { a } from "../model/a.ts";
    export * from './b.ts';
    import "../io/c.ts";
    /** import { d } from "./d.ts"; */
    const e = await import("../device/e.ts"); // from "./f.ts"
    import type { G } from "npm:g";
  `;
  const code = text.replace(/\/\*[^]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
  deepEqual(importsOf({ path: "src/train/x.ts", code }), [
    "src/model/a.ts",
    "src/train/b.ts",
    "src/io/c.ts",
    "src/device/e.ts",
  ]);
});
