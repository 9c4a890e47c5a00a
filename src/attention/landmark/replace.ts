import { blockView } from "../../memory/block_view.ts";
import type { MemoryPlan } from "../../memory/options.ts";
import { section } from "../../memory/section.ts";
import type { Frame, StateParts } from "./step.ts";

/**
 * See {@linkcode State.replace}. A token that reads the last K blocks sees no farther than K·M
 * tokens before its chunk, in each layer: a change reaches so many chunks a layer, and as many
 * before it are read first, into nothing, so that what follows is as it would be in the whole text.
 *
 * @param read Gets the parts of an empty state, which it may make a state of but not dispose of.
 */
export async function replaceTokens(
  parts: StateParts,
  frame: Frame,
  change: { readonly from: number; readonly to: number },
  read: (other: StateParts, start: number, end: number) => Promise<void>,
): Promise<void> {
  const { view, section: local } = parts;
  const { plan, device } = frame;
  const length = parts.sealed + local.length;
  checkChange(parts, plan, change, length);
  const { version } = view;
  const border = (token: number): number => token - token % plan.chunk;
  const reach = reachOf(plan);
  const first = border(change.from);
  const start = Math.max(0, first - reach);
  const after = border(change.to - 1) + plan.chunk + reach;
  const end = after > parts.sealed ? length : after;

  using other = blockView(view.store);
  using fresh = section(device, plan);
  const reread = { view: other, section: fresh, sealed: start };
  await read(reread, start, end);
  using _turn = await view.store.turns.take();
  const [was, is] = [`${start} … ${end}`, `${start} … ${reread.sealed + fresh.length}`];
  if (is !== was) throw new TypeError(`Cannot replace tokens as ${was} must be read: not ${is}`);
  const whole = other.list.length * plan.blockSize === reread.sealed - start;
  if (!whole || view.version !== version) {
    throw new TypeError("Cannot replace tokens as the memory was changed meanwhile");
  }
  view.replace(first / plan.blockSize, other, (first - start) / plan.blockSize);
  if (end === length) local.set(fresh);
}

/** Tokens that a change reaches beyond its own chunk, at most. */
function reachOf({ chunk, blockSize, topBlocks, heads: { layers } }: MemoryPlan): number {
  return layers * Math.ceil(topBlocks * blockSize / chunk) * chunk;
}

function checkChange(
  { view, sealed }: StateParts,
  { choose, blockSize }: MemoryPlan,
  { from, to }: { readonly from: number; readonly to: number },
  length: number,
): void {
  if (choose.reading !== "recent") {
    throw new RangeError(
      `Cannot replace tokens as choose.reading must be "recent", or they reach all that follows: ` +
        `current value is "${choose.reading}"`,
    );
  }
  if (!(from >= 0 && from < to && to <= length)) {
    throw new RangeError(
      `Cannot replace tokens as they must be in [0, ${length}): current value is [${from}, ${to})`,
    );
  }
  if (view.list.length * blockSize !== sealed) {
    throw new RangeError(
      `Cannot replace tokens as all ${sealed / blockSize} blocks must be remembered: ` +
        `current value is ${view.list.length}`,
    );
  }
}
