// deno-lint-ignore no-import-prefix -- only benches use it
import ort from "npm:onnxruntime-web@1.30.0/wasm";
import { inputShapes, type MatmulShape } from "../matmul_shapes.ts";
import type { Peer } from "./peer.ts";

const { Worker } = globalThis;

/** onnxruntime-web on its WebAssembly provider: a model of one Gemm, run once a product. */
export function openOnnx(threads: number): Promise<Peer> {
  ort.env.wasm.numThreads = threads;
  return Promise.resolve({
    name: "onnxruntime-web 1.30.0",
    async prepare(shape, aData, bData) {
      const shapes = inputShapes(shape);
      const session = await ort.InferenceSession.create(gemmModel(shape), {
        executionProviders: ["wasm"],
      });
      // It takes Deno for Node, and puts Node's kind of workers in the place of the standard one.
      globalThis.Worker = Worker;
      const inputs = {
        a: new ort.Tensor("float32", aData, shapes.a),
        b: new ort.Tensor("float32", bData, shapes.b),
      };
      let out: ArrayLike<number> = [];
      return {
        async run(count) {
          for (let i = 0; i < count; i++) {
            out = (await session.run(inputs)).out.data as Float32Array;
          }
        },
        read: () => Promise.resolve(out),
        [Symbol.dispose]: () => void session.release(),
      };
    },
  });
}

/** An ONNX file (onnx.proto, IR version 8, operators 17) with the graph out = Gemm(a, b). */
function gemmModel(shape: MatmulShape): Uint8Array<ArrayBuffer> {
  const { m, n, transposeA = false, transposeB = false } = shape;
  const shapes = inputShapes(shape);
  const node = [
    ...text(1, "a"),
    ...text(1, "b"),
    ...text(2, "out"),
    ...text(4, "Gemm"),
    ...message(5, flag("transA", transposeA)),
    ...message(5, flag("transB", transposeB)),
  ];
  const graph = [
    ...message(1, node),
    ...text(2, "product"),
    ...message(11, valueInfo("a", shapes.a)),
    ...message(11, valueInfo("b", shapes.b)),
    ...message(12, valueInfo("out", [m, n])),
  ];
  return Uint8Array.from([...integer(1, 8), ...message(7, graph), ...message(8, integer(2, 17))]);
}

/** AttributeProto: name, i, and type INT. */
function flag(name: string, value: boolean): number[] {
  return [...text(1, name), ...integer(3, Number(value)), ...integer(20, 2)];
}

/** ValueInfoProto: name, and type.tensor_type of f32 and this shape. */
function valueInfo(name: string, shape: readonly number[]): number[] {
  const axes = shape.flatMap((length) => message(1, integer(1, length)));
  return [...text(1, name), ...message(2, message(1, [...integer(1, 1), ...message(2, axes)]))];
}

// The three kinds of protobuf fields that are needed.

function integer(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function message(field: number, content: readonly number[]): number[] {
  return [...varint(field << 3 | 2), ...varint(content.length), ...content];
}

function text(field: number, value: string): number[] {
  return message(field, [...new TextEncoder().encode(value)]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...varint(value >>> 7)];
}
