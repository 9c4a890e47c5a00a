import { inputShapes } from "../matmul_shapes.ts";
import type { Peer } from "./peer.ts";

/** jax-js on its WebAssembly backend. It queues products, and is waited for once a run. */
export async function openJax(threads: number): Promise<Peer> {
  // It starts a worker for each processor it is told of, while it is imported.
  Object.defineProperty(navigator, "hardwareConcurrency", { value: threads });
  // deno-lint-ignore no-import-prefix -- only benches use it
  const { defaultDevice, init, numpy } = await import("npm:@jax-js/jax@0.1.25");
  await init("wasm");
  defaultDevice("wasm");
  return {
    name: "jax-js 0.1.25",
    prepare(shape, aData, bData) {
      const shapes = inputShapes(shape);
      const a = numpy.array(aData, { shape: shapes.a });
      const b = numpy.array(bData, { shape: shapes.b });
      // Its functions consume their arguments: `ref` keeps them.
      const product = () =>
        numpy.matmul(
          shape.transposeA ? numpy.transpose(a.ref) : a.ref,
          shape.transposeB ? numpy.transpose(b.ref) : b.ref,
        );
      let out = product();
      return Promise.resolve({
        async run(count) {
          out.dispose();
          // What is disposed before it was waited for is never computed: all are kept until then.
          const outs = Array.from({ length: count }, product);
          await Promise.all(outs.map((each) => each.blockUntilReady()));
          out = outs.pop()!;
          for (const each of outs) each.dispose();
        },
        read: () => out.ref.data() as Promise<Float32Array>,
        [Symbol.dispose]() {
          for (const array of [a, b, out]) array.dispose();
        },
      });
    },
  };
}
