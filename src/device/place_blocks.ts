import type { PlaceOptions, Tensor } from "./device.ts";
import { checkDivides, checkInteger, matchShapes } from "./shapes.ts";

/** The shapes of `placeBlocks`: rows R, H heads that read, of which `chosenHeads` chose. */
export interface PlaceShape {
  readonly R: number;
  readonly H: number;
  readonly chosenHeads: number;
  readonly k: number;
  readonly n: number;
}

/** Checks what `placeBlocks` is given, on any device. */
export function checkPlaces(
  tensors: { chosen: Tensor; order: Tensor; entries: Tensor; slots: Tensor },
  { layer, kvHeads, pieces, topBlocks }: PlaceOptions,
): PlaceShape {
  const name = "placeBlocks";
  const patterns = {
    entries: "i32 R H k",
    slots: "i32 R H k",
    order: "i32 n",
    chosen: "i32 R C k",
  } as const;
  const { R, H, k, n, C } = matchShapes(name, patterns, tensors);
  if (C !== 1) checkInteger(name, "heads that chose", C, [H, H]);
  checkInteger(name, "kvHeads", kvHeads, [1, pieces]);
  checkDivides(name, ["kvHeads", kvHeads], ["H", H]);
  checkInteger(name, "layer", layer, [0, Math.floor(pieces / kvHeads) - 1]);
  checkInteger(name, "topBlocks", topBlocks, [k, 2 ** 31]);
  return { R, H, chosenHeads: C, k, n };
}

/** `placeBlocks` over numbers on the host; chosen, entries and slots as rows of k. */
export function placeBlocks(
  chosen: Int32Array,
  order: Int32Array,
  entries: Int32Array,
  slots: Int32Array,
  { R, H, chosenHeads, k, n }: PlaceShape,
  { layer, kvHeads, pieces, topBlocks }: PlaceOptions,
): void {
  for (let row = 0; row < R; row++) {
    for (let h = 0; h < H; h++) {
      const piece = layer * kvHeads + Math.floor(h * kvHeads / H);
      const from = (row * chosenHeads + (chosenHeads > 1 ? h : 0)) * k;
      const to = (row * H + h) * k;
      for (let r = 0; r < k; r++) {
        const place = chosen[from + r];
        entries[to + r] = order[place] * pieces + piece;
        slots[to + r] = r + topBlocks - k + (place >= n - k ? 1 : 0);
      }
    }
  }
}
