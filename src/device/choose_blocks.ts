import type { Granularity, Tensor } from "./device.ts";
import { checkInteger, matchShapes } from "./shapes.ts";

/** Checks what `chooseBlocks` is given, on any device: k of n blocks for T tokens and H heads. */
export function checkChoice(
  tensors: { scores: Tensor; chosen: Tensor },
  by: Granularity,
): Record<"T" | "H" | "n" | "k", number> {
  const patterns = {
    scores: "f32 T H n",
    chosen: { token: "i32 T H k", chunk: "i32 1 H k", heads: "i32 T 1 k" }[by],
  } as { scores: "f32 T H n"; chosen: "i32 T H k" };
  const shape = matchShapes("chooseBlocks", patterns, tensors);
  checkInteger("chooseBlocks", "k", shape.k, [1, shape.n]);
  return shape;
}
