/**
 * Tensors that lie side by side in a few large ones: what is done to all of them alike is done to
 * those, as on a GPU a run of a kernel takes its time however few numbers it is for.
 */

import { type Device, sizeOf, type Tensor } from "../device/device.ts";

/** Numbers that each tensor begins at a multiple of: 256 bytes, for kernels that read many at once. */
const ALIGNMENT = 64;
const NUMBER_BYTES = 4;

/** What lies in one large tensor, and where. */
export interface Flat {
  /** Numbers of all, the gaps between them included. */
  readonly size: number;
  /** By name, in the order they lie in. */
  readonly parts: ReadonlyMap<string, FlatPart>;
}

/** Where a tensor lies. */
export interface FlatPart {
  /** Its first number. */
  readonly at: number;
  readonly shape: readonly number[];
}

/** Large tensors, and those that lie in them, which need not be freed. */
export interface FlatTensors extends Disposable {
  /** f32 [size] of each flat. */
  readonly wholes: readonly Tensor[];
  /** By name. */
  readonly parts: ReadonlyMap<string, Tensor>;
}

/** A flat, and the first of what lies in it, which all others are like. */
export interface FlatOf<Item> extends Flat {
  readonly like: Item;
}

/**
 * Lays tensors that are alike side by side, as far as a device holds them in one.
 *
 * @param items By name, in the order they are to lie in.
 */
export function layOut<Item extends { readonly shape: readonly number[] }>(
  { info }: Pick<Device, "info">,
  items: ReadonlyMap<string, Item>,
  areAlike: (a: Item, b: Item) => boolean,
): FlatOf<Item>[] {
  const most = Math.floor(info.tensorBytes / NUMBER_BYTES);
  const flats: { like: Item; size: number; parts: Map<string, FlatPart> }[] = [];
  for (const [name, item] of items) {
    const { shape } = item;
    const size = Math.ceil(sizeOf(shape) / ALIGNMENT) * ALIGNMENT;
    let flat = flats.findLast(({ like }) => areAlike(like, item));
    if (!flat || flat.size + size > most) {
      flats.push(flat = { like: item, size: 0, parts: new Map() });
    }
    flat.parts.set(name, { at: flat.size, shape });
    flat.size += size;
  }
  return flats;
}

/** Zeros, laid out. */
export function flatTensors(device: Device, flats: readonly Flat[]): FlatTensors {
  using stack = new DisposableStack();
  const parts = new Map<string, Tensor>();
  const wholes = flats.map((flat) => {
    const whole = stack.use(device.tensor([flat.size]));
    for (const [name, { at, shape }] of flat.parts) {
      parts.set(name, device.reshape(device.view(whole, at, sizeOf(shape)), shape));
    }
    return whole;
  });
  const owned = stack.move();
  return { wholes, parts, [Symbol.dispose]: () => owned.dispose() };
}
