import source from "../../../wgsl/fill.wgsl" with { type: "text" };
import { floatsToHalves } from "../../half.ts";
import { type DType, sizeOf, type Tensor } from "../device.ts";
import { type GpuHost, spread } from "./host.ts";

const kernel = { name: "fill", source };

/** Every number of a tensor = value; wgsl/fill.wgsl. */
export function fill(host: GpuHost, tensor: Tensor, value: number): void {
  if (Object.is(value, 0) && tensor.dtype !== "i32" && host.zeroLater(tensor)) return;
  const size = sizeOf(tensor.shape);
  const at = host.offset(tensor);
  const share = tensor.dtype === "f16" ? 2 : 1;
  if (tensor.dtype === "i32" || size % share !== 0 || at % share !== 0) {
    // Integers the host has written it knows; words at the borders hold others' halves too.
    return host.write(tensor, new Float64Array(size).fill(value));
  }
  const [words, first] = [size / share, at / share];
  if (words === 0) return;
  const fours = words % 4 === 0 && first % 4 === 0;
  host.run(kernel, {
    tensors: [tensor],
    params: [first, words, patternOf(tensor.dtype, value)],
    constants: fours ? FOURS : ONES,
    groups: spread(host, Math.ceil(words / (fours ? 1024 : 256))),
  });
}

const FOURS = { WIDE: 4, "alias Number =": "vec4u" };
const ONES = { WIDE: 1, "alias Number =": "u32" };

/** A number's bits, as often as four bytes hold them. */
function patternOf(dtype: DType, value: number): number {
  if (dtype === "f16") {
    return floatsToHalves(Float32Array.of(value), new Uint16Array(1))[0] * 0x10001;
  }
  const one = dtype === "i32" ? Int32Array.of(value) : Float32Array.of(value);
  return new Uint32Array(one.buffer)[0];
}
