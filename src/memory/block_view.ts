import type { BlockList } from "../device/bookkeeping.ts";
import type { Device, Tensor } from "../device/device.ts";
import type { BlockStore, NewBlock, StoreView } from "./block_store.ts";

/** Blocks that are ready to be stored. */
export interface SealedBlocks {
  /** Of each block in the text, by time. */
  readonly numbers: readonly number[];
  readonly blocks: readonly NewBlock[];
  /** Their pieces on the device, if they lie there already: [layers, blocks, G, 2, M, D]. */
  readonly onDevice?: Tensor;
  /** Writes the landmark's key of block `i` to where `slot` keeps them, in every layer. */
  writeLandmarks(i: number, slot: number): void;
}

/**
 * The blocks of one stream of tokens, in a store that its forks share. Whatever changes it counts
 * its version up, so that a step that began before can tell.
 */
export interface BlockView extends Disposable {
  readonly store: BlockStore;
  readonly list: BlockList;
  readonly version: number;
  /** i32 [n], the slots by time, for scoring; on the device since it was first asked for. */
  order(): Tensor;
  /** The blocks' numbers in the text, by time: as they are now, whatever changes later. */
  numbers(): Int32Array;
  /** Adds blocks, all or none. @throws {MemoryFullError} */
  append(blocks: SealedBlocks): Promise<void>;
  /** Puts the other view's blocks from place `first` on in the place of as many from `at` on. */
  replace(at: number, other: BlockView, first: number): void;
  fork(): BlockView;
}

/** A view of a list of the store's blocks; the list goes with it. */
export function blockView(store: BlockStore, list: BlockList = store.table.list()): BlockView {
  const order = deviceList(store.device);
  // Each token that tells what it read asks for them, and they change but once a section.
  let numbers = { version: -1, all: new Int32Array() };
  let version = 0;
  let open = true;
  const view: StoreView = {
    forget(slot) {
      if (!list.remove(slot)) return;
      order.clear();
      version++;
    },
  };
  store.views.add(view);
  return {
    store,
    list,
    get version() {
      return version;
    },
    order: () => order.read(list),
    numbers() {
      // In the midst of an append the version is the new one already.
      if (numbers.version !== version || numbers.all.length !== list.length) {
        const all = Int32Array.from(list.slots(), (slot) => store.table.number(slot));
        numbers = { version, all };
      }
      return numbers.all;
    },
    async append(blocks) {
      version++;
      const passed = await appendAll(store, list, blocks);
      store.sweep(passed);
      dropUseless(store, list, () => order.clear());
    },
    replace(at, other, first) {
      version++;
      order.clear();
      store.sweep(list.replace(at, other.list.slots(first)));
    },
    fork: () => blockView(store, list.fork()),
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      store.views.delete(view);
      order[Symbol.dispose]();
      const slots = list.slots();
      list[Symbol.dispose]();
      store.sweep(slots);
      if (store.views.size === 0) store[Symbol.dispose]();
    },
  };
}

/** Returns the blocks that are among nobody's last K any more. */
async function appendAll(
  store: BlockStore,
  list: BlockList,
  { numbers, blocks, onDevice, writeLandmarks }: SealedBlocks,
): Promise<Iterable<number>> {
  const slots: number[] = [];
  const added = new Set<number>();
  const passed = new Set<number>();
  try {
    for (const [i, block] of blocks.entries()) {
      const slot = await store.add(numbers[i], block);
      // To make room, the block that was in this slot may have been forgotten.
      passed.delete(slot);
      added.add(slot);
      slots.push(slot);
      writeLandmarks(i, slot);
      const old = list.append(slot);
      if (old !== undefined) passed.add(old);
    }
    // Where one of them made room for another, the last one in a slot counts.
    const distinct = added.size === slots.length;
    await store.admit({ list, slots, blocks, onDevice: distinct ? onDevice : undefined });
  } catch (error) {
    for (const slot of added) list.remove(slot);
    store.sweep(added);
    throw error;
  }
  return passed;
}

/** Without any long memory, blocks before the last K are of no use. */
function dropUseless({ plan, table, sweep }: BlockStore, list: BlockList, dropped: () => void) {
  if (plan.isLong.includes(true)) return;
  for (const slot of list.slots().subarray(0, Math.max(0, list.length - plan.topBlocks))) {
    list.remove(slot);
    dropped();
    if (table.holders(slot) === 0) sweep([slot]);
  }
}

/** A list's slots on the device: what was added since is written behind what is there. */
interface DeviceList extends Disposable {
  read(list: BlockList): Tensor;
  /** The list is not the old one with more at its end. */
  clear(): void;
}

function deviceList(device: Device): DeviceList {
  let tensor: Tensor | undefined;
  let written = 0;
  return {
    read(list) {
      if (!tensor || tensor.shape[0] < list.length) {
        tensor?.[Symbol.dispose]();
        tensor = device.tensor([2 * list.length], { dtype: "i32" });
        written = 0;
      }
      if (written < list.length) {
        device.write(tensor, list.slots(written), written);
        written = list.length;
      }
      return device.view(tensor, 0, list.length);
    },
    clear: () => void (written = 0),
    [Symbol.dispose]: () => tensor?.[Symbol.dispose](),
  };
}
