import type { Numbers } from "../../device/device.ts";
import type { BlockStore, NewBlock, StoreParts } from "../../memory/block_store.ts";
import type { SealedBlocks } from "../../memory/block_view.ts";
import { SnapshotError } from "../../memory/memory_error.ts";
import { type MemoryDefaults, type MemoryOptions, planMemory } from "../../memory/options.ts";
import { sectionPositions } from "../../memory/positions.ts";
import {
  checkAbout,
  isCount,
  nextNumbers,
  nextRecord,
  type Records,
} from "../../memory/records.ts";
import type { HeadShape } from "../../memory/head_shape.ts";
import type { SavedState, State } from "../mechanism.ts";
import { type About, BATCH, keptPieces, longLayers } from "./snapshot.ts";
import { emptyParts, frameOf, landmarkState } from "./state.ts";
import type { Frame, StateParts } from "./step.ts";

/** See {@linkcode Mechanism.restore}. */
export async function restoreLandmarkState(
  heads: HeadShape,
  defaults: MemoryDefaults,
  saved: SavedState,
  options: MemoryOptions & StoreParts,
): Promise<State> {
  const about = aboutOf(saved.about, heads, defaults);
  for (const name of ["topBlocks", "chunk", "storage"] as const) {
    if (options[name] !== undefined && options[name] !== about[name]) {
      throw new RangeError(
        `Cannot restore a memory as ${name} must be what it was saved with, ${about[name]}: ` +
          `current value is ${options[name]}`,
      );
    }
  }
  const { topBlocks, chunk, storage, memoryLayers } = about;
  const choose = { ...about.choose, ...options.choose };
  const kept = { topBlocks, chunk, storage, memoryLayers, choose };
  const { remote } = options.device.info;
  const plan = planMemory(heads, defaults, { ...options, ...kept }, remote);
  const parts = emptyParts(plan, options);
  const frame = frameOf(parts.view);
  const state = landmarkState(parts, frame);
  try {
    const records = saved.records[Symbol.asyncIterator]();
    await readSection(parts, frame, about, records);
    await readBatches(parts, about, records);
    parts.sealed = about.sealed;
    return state;
  } catch (error) {
    state[Symbol.dispose]();
    throw error;
  }
}

async function readSection(
  { section }: StateParts,
  { device, start, rotations }: Frame,
  about: About,
  records: Records,
) {
  if (about.local === 0) return;
  using positions = device.tensor([about.local], {
    dtype: "i32",
    data: sectionPositions(start, 0, about.local),
  });
  for (const [layer, keys] of section.rawKeys.entries()) {
    for (const x of [keys, section.values[layer]]) {
      const rows = device.view(x, 0, about.local);
      device.write(rows, await nextNumbers(records, rows, about.numberBytes));
    }
    const turned = device.view(section.keys[layer], 0, about.local);
    device.rope(device.view(keys, 0, about.local), positions, rotations, turned);
  }
  section.length = about.local;
}

async function readBatches({ view }: StateParts, about: About, records: Records) {
  const { store } = view;
  let last = -1;
  for (let first = 0; first < about.blocks; first += BATCH) {
    const blocks = await readBatch(store, about, first, records);
    for (const number of blocks.numbers) {
      if (number <= last || number >= about.sealed / about.blockSize) {
        throw new SnapshotError(`Cannot restore a memory as block ${number} is out of place`);
      }
      last = number;
    }
    await view.append(blocks);
  }
}

async function readBatch(
  { device, plan, landmarks }: BlockStore,
  about: About,
  first: number,
  records: Records,
): Promise<SealedBlocks> {
  const { kvHeads, headDim } = plan.heads;
  const count = Math.min(BATCH, about.blocks - first);
  const width = kvHeads * headDim;
  const keys = new Map<number, Numbers>();
  for (const layer of longLayers(plan)) {
    using like = device.tensor([count, kvHeads, headDim]);
    keys.set(layer, await nextNumbers(records, like, about.numberBytes));
  }
  const numbers: number[] = [];
  const blocks: NewBlock[] = [];
  for (let i = 0; i < count; i++) {
    const kept = keptPieces(plan, first + i, about.blocks);
    const bytes = await nextRecord(records, 4 + kept.length * plan.pieceBytes);
    numbers.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
    const block = new Array<Uint8Array | undefined>(plan.piecesPerBlock).fill(undefined);
    kept.forEach((piece, j) => {
      const at = 4 + j * plan.pieceBytes;
      block[piece] = bytes.subarray(at, at + plan.pieceBytes);
    });
    blocks.push({ pieces: block });
  }
  return {
    numbers,
    blocks,
    writeLandmarks(i, slot) {
      for (const [layer, all] of keys) {
        landmarks.write(layer, slot, all.slice(i * width, (i + 1) * width));
      }
    },
  };
}

/** @throws {SnapshotError} If a field is not what a saved state has there. */
function aboutOf(
  about: SavedState["about"],
  heads: HeadShape,
  { blockSize }: MemoryDefaults,
): About {
  const { sealed, local, chunk, blocks, topBlocks } = about as unknown as About;
  checkAbout(about, `a memory of ${heads.layers} layers and blocks of ${blockSize} tokens`, [
    ["blockSize", about.blockSize === blockSize],
    ["topBlocks", isCount(topBlocks) && topBlocks > 0],
    ["chunk", isCount(chunk) && chunk > 0 && chunk % blockSize === 0],
    ["memoryLayers", Array.isArray(about.memoryLayers)],
    ["storage", about.storage === "f16" || about.storage === "f32"],
    ["choose", typeof about.choose === "object" && about.choose !== null],
    ["sealed", isCount(sealed) && sealed % chunk === 0],
    ["local", isCount(local) && local < chunk],
    ["blocks", isCount(blocks) && blocks * blockSize <= sealed],
    ["numberBytes", about.numberBytes === 4 || about.numberBytes === 8],
  ]);
  return about as unknown as About;
}
