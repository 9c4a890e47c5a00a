import { type Blocks, type Device, sizeOf, type Tensor } from "../../device/device.ts";
import type { BlockView } from "../../memory/block_view.ts";
import type { MemoryPlan } from "../../memory/options.ts";
import {
  attend,
  type BlocksRead,
  type Looking,
  readBlocks,
  type ReadClock,
} from "../../memory/read_blocks.ts";
import { readTogether } from "../../memory/read_together.ts";
import { sealSection } from "../../memory/seal_section.ts";
import type { Section } from "../../memory/section.ts";
import type { Step, StepOptions } from "../mechanism.ts";
import type { StepGuard } from "../step_guard.ts";
import { regularLandmarks } from "./regular_landmarks.ts";

/** What forks share beside the store, and lives as long. */
export interface Frame {
  readonly device: Device;
  readonly plan: MemoryPlan;
  /** F. */
  readonly start: number;
  /** f32 [F + chunk, D/2, 2]. */
  readonly rotations: Tensor;
  /** i32 [layers · chunk]: see storedPositions. */
  readonly stored: Tensor;
  /** i32 [chunk]: where a section's tokens stand. */
  readonly positions: Tensor;
  /** i32 [chunk · (K + 1)]: the number of each token, once for each slot. */
  readonly rows: Tensor;
  /** The same of its position as seen from there. */
  readonly slots: Tensor;
}

/** The parts of one state: stored blocks, and the tokens since the last border. */
export interface StateParts {
  readonly view: BlockView;
  readonly section: Section;
  /** Tokens in stored blocks, forgotten ones included. */
  sealed: number;
}

/** How a step is tied to its state. */
export interface StepTies extends StepOptions {
  readonly clock: ReadClock;
  readonly guard: StepGuard;
}

/** Begins to append `count` tokens. */
export function beginStep(parts: StateParts, frame: Frame, count: number, ties: StepTies): Step {
  const { view, section } = parts;
  const { purpose = "reading", trace = false, behind = 0, clock, guard } = ties;
  const { plan } = frame;
  const at = section.length + behind;
  const room = plan.chunk - at;
  const check = guard.begin(count, room, behind);
  const { version } = view;
  /** While it reads, no block may come or go; before it is committed, others may forget some. */
  const checkReading = (): void => check(view.version === version);
  const tokens = prepareTokens(frame, at, count);
  const reads: BlocksRead[] = [];
  const underWay: Promise<BlocksRead>[] = [];
  const together = trace ? readTogether(frame.device) : undefined;
  return {
    count,
    reads,
    async attend(ops, layer, input) {
      const [q, k, v] = [input.q(), input.k(), input.v()];
      checkReading();
      const out = ops.input(q.shape, { zero: false });
      using looking = look(parts, frame, tokens, { layer, choice: plan.choose[purpose], q, out });
      append(parts, frame, tokens, { layer, k, v });
      if (view.list.length === 0) {
        attend(view, looking, 0, count, undefined);
        return out;
      }
      using _turn = await view.store.turns.take();
      checkReading();
      const read = await readBlocks(view, looking, { clock, trace: together });
      if (read) {
        underWay.push(read.blocks);
        // Whoever commits waits for it; a step that is given up needs it no more.
        read.blocks.catch(() => {});
      }
      // The next steps may be enqueued before this one is committed: they are not waited for.
      if (layer === plan.heads.layers - 1) together?.read();
      return out;
    },
    remember(layer, input) {
      checkReading();
      append(parts, frame, tokens, { layer, k: input.k(), v: input.v() });
    },
    async commit() {
      together?.read();
      reads.push(...await Promise.all(underWay.splice(0)));
      check(section.length === at);
      if (count < room) {
        section.length += count;
      } else {
        using _turn = await view.store.turns.take();
        check(section.length === at);
        await seal(parts, frame);
      }
      check.close();
    },
    [Symbol.dispose]() {
      check.close();
      together?.[Symbol.dispose]();
      tokens[Symbol.dispose]();
    },
  };
}

/** Moves the full section to the store, and empties it. If that fails it is as it was. */
async function seal(parts: StateParts, frame: Frame): Promise<void> {
  const { view, section } = parts;
  const { chunk, blockSize } = frame.plan;
  using blocks = sealSection(view.store, section, frame);
  const first = parts.sealed / blockSize;
  const numbers = Array.from({ length: chunk / blockSize }, (_, i) => first + i);
  await view.append({ ...blocks, numbers });
  parts.sealed += chunk;
  section.length = 0;
}

/** What is the same for a step's tokens in every layer. */
interface StepTokens extends Disposable {
  readonly at: number;
  readonly count: number;
  /** i32 [T]. */
  readonly positions: Tensor;
  /** i32 [T · (K + 1)]: each token, and its position, once for each slot. */
  readonly rows: Tensor;
  readonly slots: Tensor;
  blocks(keys: number): Blocks;
}

function prepareTokens(frame: Frame, at: number, count: number): StepTokens {
  const { device, plan: { topBlocks, blockSize } } = frame;
  const plans = new Map<number, Blocks>();
  const owned = new DisposableStack();
  const each = topBlocks + 1;
  return {
    at,
    count,
    positions: device.view(frame.positions, at, count),
    rows: device.view(frame.rows, 0, count * each),
    slots: device.view(frame.slots, at * each, count * each),
    blocks(keys) {
      let blocks = plans.get(keys);
      if (!blocks) {
        const isLandmark = regularLandmarks(keys, blockSize);
        blocks = owned.use(device.blocks({ isLandmark }, 1, keys));
        plans.set(keys, blocks);
      }
      return blocks;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Writes a layer's keys and values behind those of the section. */
function append(
  { section }: StateParts,
  { device, rotations }: Frame,
  { at, count, positions }: StepTokens,
  { layer, k, v }: Pick<Looking, "layer" | "k" | "v">,
): void {
  const own = (x: Tensor): Tensor => device.view(x, at, count);
  device.copy(k, own(section.rawKeys[layer]));
  device.copy(v, own(section.values[layer]));
  device.rope(k, positions, rotations, own(section.keys[layer]));
}

/** Turns a layer's queries to where they stand, and to how every slot sees them. */
function look(
  { view, section }: StateParts,
  { device, plan, rotations }: Frame,
  { at, count, positions, rows, slots, blocks }: StepTokens,
  { layer, choice, q, out }: Pick<Looking, "layer" | "choice" | "q" | "out">,
): Looking & Disposable {
  const { heads, headDim } = plan.heads;
  using stack = new DisposableStack();
  const turned = stack.use(device.tensor(q.shape, { zero: false }));
  device.rope(q, positions, rotations, turned);
  let queries = device.reshape(turned, [count, 1, heads, headDim]);
  if (view.list.length > 0) {
    const shape = [sizeOf(rows.shape), heads, headDim];
    const wide = stack.use(device.tensor(shape, { zero: false }));
    device.gather(q, rows, wide);
    device.rope(wide, slots, rotations, wide);
    queries = device.reshape(wide, [count, plan.topBlocks + 1, heads, headDim]);
  }
  const [k, v] = [section.keys[layer], section.values[layer]];
  const owned = stack.move();
  return {
    ...{ layer, choice, queries, q: turned, out, k, v, at, blocks },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
