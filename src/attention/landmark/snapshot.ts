import type { BlockView } from "../../memory/block_view.ts";
import type { MemoryPlan } from "../../memory/options.ts";
import { numberBytesOf, recordOf } from "../../memory/records.ts";
import type { SavedState } from "../mechanism.ts";
import type { StateParts } from "./step.ts";

/** Blocks whose landmarks are in one record a layer. */
export const BATCH = 32;

/**
 * What a saved state says of itself. Its records, in this order:
 * - unless the section is empty: for each layer its keys, without position, then its values, [local, G, D] each;
 * - for each batch of blocks: the landmarks' keys [blocks, G, D] of each layer with a long memory;
 *   then for each block its number (u32) and its pieces, by layer and head. Layers without a long
 *   memory have pieces of the last K blocks only.
 */
export interface About {
  readonly blockSize: number;
  readonly topBlocks: number;
  readonly chunk: number;
  readonly memoryLayers: readonly number[];
  readonly storage: "f16" | "f32";
  readonly choose: MemoryPlan["choose"];
  /** Tokens in stored blocks, forgotten ones included; tokens in the section. */
  readonly sealed: number;
  readonly local: number;
  readonly blocks: number;
  /** Bytes of a number in the section and the landmarks' keys: 8 on the reference device. */
  readonly numberBytes: 4 | 8;
}

/** See {@linkcode State.save}. */
export function saveLandmarkState(parts: StateParts): SavedState {
  const { view, section } = parts;
  const { plan, device } = view.store;
  const { blockSize, topBlocks, chunk, storage, choose } = plan;
  const about = {
    ...{ blockSize, topBlocks, chunk, storage, choose },
    memoryLayers: longLayers(plan),
    sealed: parts.sealed,
    local: section.length,
    blocks: view.list.length,
    numberBytes: numberBytesOf(device),
  } satisfies About;
  return { about: { ...about }, records: recordsOf(parts) };
}

/** The layers with a long memory. */
export function longLayers({ isLong }: MemoryPlan): number[] {
  return [...isLong.keys()].filter((layer) => isLong[layer]);
}

async function* recordsOf({ view, section }: StateParts): AsyncGenerator<Uint8Array> {
  const { device, turns } = view.store;
  for (const [layer, keys] of section.rawKeys.entries()) {
    if (section.length === 0) break;
    for (const x of [keys, section.values[layer]]) {
      yield await recordOf(device, device.view(x, 0, section.length));
    }
  }
  const { version } = view;
  const nextBatch = async (first: number): Promise<Uint8Array[]> => {
    using _turn = await turns.take();
    if (view.version === version) return await batchRecords(view, first);
    throw new TypeError("Cannot save a memory as it was changed meanwhile");
  };
  for (let first = 0; first < view.list.length; first += BATCH) {
    yield* await nextBatch(first);
  }
}

async function batchRecords(view: BlockView, first: number): Promise<Uint8Array[]> {
  const { list, store } = view;
  const { device, plan, landmarks, table } = store;
  const slots = [...list.slots(first).subarray(0, BATCH)];
  const records: Uint8Array[] = [];
  using keys = device.tensor([slots.length, plan.heads.kvHeads, plan.heads.headDim]);
  for (const layer of longLayers(plan)) {
    slots.forEach((slot, i) => device.copy(landmarks.at(layer, slot), device.view(keys, i, 1)));
    records.push(await recordOf(device, keys));
  }
  for (const [i, slot] of slots.entries()) {
    const all = await store.pieces(slot);
    const kept = keptPieces(plan, first + i, list.length).map((piece) => all[piece]!);
    const number = Uint8Array.from([0, 8, 16, 24], (shift) => table.number(slot) >>> shift);
    records.push(bytesTogether([number, ...kept]));
  }
  return records;
}

/** Which pieces are saved of block j of n. */
export function keptPieces(
  { piecesPerBlock, heads, isLong, topBlocks }: MemoryPlan,
  j: number,
  n: number,
): number[] {
  const all = Array.from({ length: piecesPerBlock }, (_, piece) => piece);
  return all.filter((piece) => j >= n - topBlocks || isLong[Math.floor(piece / heads.kvHeads)]);
}

function bytesTogether(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
