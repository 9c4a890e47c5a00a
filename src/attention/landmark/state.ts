import type { Tensor } from "../../device/device.ts";
import { blockStore, type StoreParts } from "../../memory/block_store.ts";
import { type BlockView, blockView } from "../../memory/block_view.ts";
import { bytesPerToken, type MemoryPlan } from "../../memory/options.ts";
import {
  sectionPositions,
  sectionStart,
  slotPositions,
  storedPositions,
} from "../../memory/positions.ts";
import { section } from "../../memory/section.ts";
import type { State } from "../mechanism.ts";
import { rotationTable } from "../rotations.ts";
import { stepGuard } from "../step_guard.ts";
import { replaceTokens } from "./replace.ts";
import { saveLandmarkState } from "./snapshot.ts";
import { beginStep, type Frame, type StateParts } from "./step.ts";

/** Parts of an empty state. @throws {RangeError} If memory is short. */
export function emptyParts(plan: MemoryPlan, parts: StoreParts): StateParts {
  using stack = new DisposableStack();
  const view = stack.use(blockView(blockStore(plan, parts)));
  const local = stack.use(section(parts.device, plan));
  stack.move();
  return { view, section: local, sealed: 0 };
}

/** The streaming half of landmark attention: spec in docs/memory.md. */
export function landmarkState(parts: StateParts, frame: Frame = frameOf(parts.view)): State {
  return stateOf(parts, frame);
}

/** What a state and its forks share beside the store; it goes with the store. */
export function frameOf({ store: { device, plan, lifetime } }: BlockView): Frame {
  const { chunk, blockSize, topBlocks, heads: { layers, frequencies, headDim } } = plan;
  const start = sectionStart(topBlocks, blockSize);
  const positions = start + chunk;
  const rotations = lifetime.use(device.tensor([positions, headDim / 2, 2], {
    data: rotationTable(frequencies, positions),
  }));
  const i32 = (data: Int32Array): Tensor =>
    lifetime.use(device.tensor([data.length], { dtype: "i32", data }));
  const where = sectionPositions(start, 0, chunk);
  const seen = slotPositions(where, topBlocks, blockSize);
  return {
    ...{ device, plan, start, rotations },
    stored: i32(storedPositions(layers * chunk, blockSize)),
    positions: i32(where),
    rows: i32(seen.map((_, i) => Math.floor(i / (topBlocks + 1)))),
    slots: i32(seen),
  };
}

function stateOf(parts: StateParts, frame: Frame): State {
  const { view, section } = parts;
  const { plan } = frame;
  const { store } = view;
  const clock = { scanMs: 0, readMs: 0 };
  const guard = stepGuard();
  return {
    get room() {
      return plan.chunk - section.length;
    },
    get local() {
      return section.length;
    },
    get length() {
      return parts.sealed + section.length;
    },
    get bytes() {
      const { landmarkBytes, poolBytes, hostBytes, fileBytes, tableBytes } = store.usage;
      return section.bytes + landmarkBytes + poolBytes + hostBytes + fileBytes + tableBytes;
    },
    get usage() {
      return {
        blocks: view.list.length,
        localBytes: section.bytes,
        memoryBytes: 0,
        bytesPerToken: bytesPerToken(plan),
        ...store.usage,
        ...clock,
      };
    },
    // Where blocks are looked for by the host, it counts who reads which.
    get mayGoAhead() {
      return store.pool.isWhole;
    },
    step: (count, options = {}) => beginStep(parts, frame, count, { ...options, clock, guard }),
    fork: () =>
      stateOf({ view: view.fork(), section: section.fork(), sealed: parts.sealed }, frame),
    async replace(change, read) {
      await replaceTokens(
        parts,
        frame,
        change,
        (other, start, end) => read(stateOf(other, frame), start, end),
      );
      guard.end();
    },
    missingBytes(count) {
      const chunks = Math.floor((section.length + count) / plan.chunk);
      return store.missingBytes(chunks * plan.chunk / plan.blockSize);
    },
    save: () => saveLandmarkState(parts),
    [Symbol.dispose]() {
      guard.end();
      section[Symbol.dispose]();
      view[Symbol.dispose]();
    },
  };
}
