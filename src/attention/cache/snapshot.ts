import type { Device, Tensor } from "../../device/device.ts";
import { checkAbout, isCount, nextNumbers, numberBytesOf, recordOf } from "../../memory/records.ts";
import type { SavedState } from "../mechanism.ts";
import type { CachePlan } from "./plan.ts";
import { type CacheParts, emptyCacheParts, turnCache } from "./parts.ts";

/**
 * What a saved state says of itself. Its records, for each layer and unless there are none: the keys,
 * without position, then the values of its tokens, [cached + local, G, D] each.
 */
interface About {
  readonly window: number;
  readonly cache: number;
  /** Tokens in the cache, before the window, and in it. */
  readonly cached: number;
  readonly passed: number;
  readonly local: number;
  /** Bytes of a number: 8 on the reference device. */
  readonly numberBytes: 4 | 8;
}

/** See {@linkcode State.save}. */
export function saveCacheState(parts: CacheParts): SavedState {
  const { device, plan: { window, cache }, section, cached, passed } = parts;
  const about = {
    ...{ window, cache, cached, passed },
    local: section.length - cache,
    numberBytes: numberBytesOf(device),
  } satisfies About;
  return { about, records: recordsOf(parts) };
}

/** The rows of a layer that hold tokens. */
function savedOf({ device, plan, section, cached }: CacheParts, layer: number): Tensor[] {
  const first = plan.cache - cached;
  const count = section.length - first;
  if (count === 0) return [];
  return [section.rawKeys, section.values].map((all) => device.view(all[layer], first, count));
}

async function* recordsOf(parts: CacheParts): AsyncGenerator<Uint8Array> {
  for (const layer of parts.section.values.keys()) {
    for (const x of savedOf(parts, layer)) yield await recordOf(parts.device, x);
  }
}

/** The parts of the state that was saved. @throws {SnapshotError} */
export async function restoreCacheParts(
  device: Device,
  plan: CachePlan,
  saved: SavedState,
): Promise<CacheParts> {
  const { cached, passed, local, numberBytes } = aboutOf(saved.about, plan);
  const records = saved.records[Symbol.asyncIterator]();
  using stack = new DisposableStack();
  const parts = stack.use(emptyCacheParts(device, plan));
  parts.cached = cached;
  parts.passed = passed;
  parts.section.length = plan.cache + local;
  for (const layer of parts.section.values.keys()) {
    for (const x of savedOf(parts, layer)) {
      device.write(x, await nextNumbers(records, x, numberBytes));
    }
  }
  turnCache(parts);
  stack.move();
  return parts;
}

/** @throws {SnapshotError} If a field is not what a saved state has there. */
function aboutOf(about: SavedState["about"], { window, cache }: CachePlan): About {
  const { cached, passed, local } = about;
  checkAbout(about, `a cache of ${cache} tokens before windows of ${window}`, [
    ["window", about.window === window],
    ["cache", about.cache === cache],
    ["passed", isCount(passed) && passed % window === 0],
    ["cached", isCount(cached) && cached === Math.min(cache, passed as number)],
    ["local", isCount(local) && local < window],
    ["numberBytes", about.numberBytes === 4 || about.numberBytes === 8],
  ]);
  return about as unknown as About;
}
