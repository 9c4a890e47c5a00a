import { floatsToHalves } from "../../half.ts";
import { type DType, sizeOf, type Tensor } from "../device.ts";
import { checkShapes, shapeText } from "../shapes.ts";
import { SIZE_BYTES } from "./cpu_tensor.ts";
import { type Host, launch } from "./host.ts";

/** Every number of a tensor = value; asm/fill.ts. */
export function fill(host: Host, tensor: Tensor, value: number): void {
  const size = sizeOf(tensor.shape);
  const bytes = size * SIZE_BYTES[tensor.dtype];
  launch(host, size, "fill", host.address(tensor), bytes, patternOf(tensor.dtype, value));
}

/** out = x; asm/fill.ts. */
export function copy(host: Host, x: Tensor, out: Tensor): void {
  const { X, Y } = checkShapes("copy", { x, out });
  if (X !== Y || x.dtype !== out.dtype) {
    throw new RangeError(
      `Cannot copy as both must be of one type and size: current values are ` +
        `${shapeText(x)} and ${shapeText(out)}`,
    );
  }
  launch(host, X, "copy", host.address(x), host.address(out), X * SIZE_BYTES[x.dtype]);
}

/** A number's bits, as often as four bytes hold them. */
function patternOf(dtype: DType, value: number): number {
  if (dtype === "f16") {
    return floatsToHalves(Float32Array.of(value), new Uint16Array(1))[0] * 0x10001;
  }
  const one = dtype === "i32" ? Int32Array.of(value) : Float32Array.of(value);
  return new Uint32Array(one.buffer)[0];
}
