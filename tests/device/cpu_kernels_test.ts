import { deepEqual, ok } from "node:assert/strict";
import { availableBuilds, compileKernels } from "../../src/device/cpu/kernels.ts";

const BUILD = new URL("../../build/", import.meta.url);

for (const build of availableBuilds()) {
  for (const shared of [false, true]) {
    const name = shared ? `${build}Threads` : build;

    Deno.test(`the ${name} kernels want a memory and give functions, nothing else`, async () => {
      const module = await compileKernels(build, shared);
      deepEqual(WebAssembly.Module.imports(module), [
        { module: "env", name: "memory", kind: "memory" },
      ]);
      // A global would be another one in every thread.
      const others = WebAssembly.Module.exports(module).filter(({ kind }) => kind !== "function");
      deepEqual(others, []);
    });

    Deno.test(`the ${name} kernels in the bundle are those of the file beside`, async () => {
      const file = await WebAssembly.compile(await Deno.readFile(new URL(`${name}.wasm`, BUILD)));
      deepEqual(
        WebAssembly.Module.exports(await compileKernels(build, shared)),
        WebAssembly.Module.exports(file),
      );
    });
  }
}

Deno.test("the kernels leave room for the rest of a 300 kB bundle", async () => {
  const { size } = await Deno.stat(new URL("kernels.ts", BUILD));
  ok(size < 150_000, `kernels.ts has ${size} bytes`);
});
