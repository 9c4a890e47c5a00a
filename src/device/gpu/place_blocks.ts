import source from "../../../wgsl/place_blocks.wgsl" with { type: "text" };
import type { PlaceOptions, Tensor } from "../device.ts";
import { checkPlaces } from "../place_blocks.ts";
import { type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";

const kernel = { name: "place_blocks", source };

/** Where chosen blocks lie in a pool that holds every piece; wgsl/place_blocks.wgsl. */
export function placeBlocks(
  host: GpuHost,
  chosen: Tensor,
  order: Tensor,
  entries: Tensor,
  slots: Tensor,
  options: PlaceOptions,
): void {
  const { R, H, chosenHeads, k, n } = checkPlaces({ chosen, order, entries, slots }, options);
  checkIndices(host, "placeBlocks", "chosen", chosen, [0, n]);
  const { layer, kvHeads, pieces, topBlocks } = options;
  const count = R * H * k;
  host.run(kernel, {
    tensors: [chosen, order, entries, slots],
    params: [count, H, chosenHeads, k, n, layer * kvHeads, H / kvHeads, pieces, topBlocks],
    groups: spread(host, Math.ceil(count / 64)),
  });
}
