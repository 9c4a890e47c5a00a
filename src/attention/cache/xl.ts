import type { Device, Tensor } from "../../device/device.ts";
import type { Ops } from "../../device/ops.ts";
import type {
  Batch,
  BatchAttention,
  LayerInput,
  Mechanism,
  OwnParameter,
  Window,
} from "../mechanism.ts";
import { countUp, rotationTable } from "../rotations.ts";
import {
  attentionOptions,
  type CacheOptions,
  type CachePlan,
  CONTENT_BIAS,
  DISTANCES,
  distancesOf,
  POSITION_BIAS,
  projectDistances,
  sinusoids,
} from "./plan.ts";
import { emptyCacheParts } from "./parts.ts";
import { cacheState } from "./state.ts";
import { restoreCacheParts } from "./snapshot.ts";
import { refuseMasks } from "./masks.ts";

/**
 * Transformer-XL (Dai et al., arXiv 1901.02860): windows that look back to a cache of the tokens
 * before them, through which no gradient flows.
 *
 * With `relative` positions the cache holds what entered the layer, and keys and values are made of
 * it anew, as in the paper; with `rope` it holds keys without position and values, as the landmark
 * paper's baseline does (arXiv 2305.16300, 4.1).
 */
export function xlMechanism(heads: CachePlan["heads"], options: CacheOptions): Mechanism {
  const plan = { ...options, heads };
  return {
    name: "xl",
    capabilities: { causal: true, boundedState: true, randomAccess: false, replaceable: false },
    marker: undefined,
    parameters: (layer) => new Map(options.positions === "rope" ? [] : ownParameters(plan, layer)),
    batch: (device, batch) => xlBatch(device, plan, batch),
    state: (device) => cacheState(emptyCacheParts(device, plan)),
    restore: async (device, saved) => cacheState(await restoreCacheParts(device, plan, saved)),
  };
}

function ownParameters(
  { heads: { heads, headDim, width } }: CachePlan,
  layer: number | undefined,
): [string, OwnParameter][] {
  const start = { deviation: 0.02 };
  if (layer !== undefined) {
    const shape = [heads * headDim, width];
    return [[DISTANCES, { shape, start, decays: true, isGate: false }]];
  }
  const bias = { shape: [heads, headDim], start, decays: false, isGate: false };
  return [[CONTENT_BIAS, bias], [POSITION_BIAS, bias]];
}

function xlBatch(device: Device, plan: CachePlan, batch: Batch): BatchAttention {
  const { rows, length, whole } = batch;
  refuseMasks("Transformer-XL", batch);
  if (whole) {
    throw new TypeError("Cannot mix Transformer-XL with others as it reads rows by windows");
  }
  const { window, heads: { layers } } = plan;
  using stack = new DisposableStack();
  const tables = tablesOf(device, plan, stack);
  const count = Math.ceil(length / window);
  // What stands before each window, by layer; before the first one there is nothing.
  const caches: Cached[][] = Array.from(
    { length: count },
    () => Array.from({ length: layers }, () => ({ parts: [] })),
  );
  const windows = Array.from({ length: count }, (_, w): Window => {
    const at = w * window;
    const tokens = Math.min(window, length - at);
    const shape = { rows, tokens, cached: Math.min(plan.cache, at) };
    const attend = stack.use(cachedAttention(device, plan, tables, shape));
    return {
      at,
      length: tokens,
      isCut: true,
      begin: () => ({
        handed: [],
        attend: (ops, layer, input) =>
          attend.attend(ops, input, caches[w][layer], caches[w + 1]?.[layer]),
      }),
    };
  });
  stack.defer(() => {
    for (const { parts } of caches.flat()) for (const x of parts) x[Symbol.dispose]();
  });
  const owned = stack.move();
  return { windows, [Symbol.dispose]: () => owned.dispose() };
}

/** What positions are made of. */
interface Tables {
  /** f32 [window + cache, D/2, 2]. */
  readonly rotations: Tensor;
  /** f32 [P, C]. */
  readonly sinusoids: Tensor;
}

function tablesOf(device: Device, plan: CachePlan, stack: DisposableStack): Tables {
  const { window, cache, heads: { headDim, frequencies, width } } = plan;
  const distances = distancesOf(plan);
  return {
    rotations: stack.use(device.tensor([window + cache, headDim / 2, 2], {
      data: rotationTable(frequencies, window + cache),
    })),
    sinusoids: stack.use(device.tensor([distances, width], { data: sinusoids(distances, width) })),
  };
}

/** [B, m, …] each: what entered the layer, or keys and values. */
interface Cached {
  parts: Tensor[];
}

interface CachedAttention extends Disposable {
  attend(ops: Ops, input: LayerInput, before: Cached, behind: Cached | undefined): Tensor;
}

function cachedAttention(
  device: Device,
  plan: CachePlan,
  tables: Tables,
  { rows, tokens, cached }: { rows: number; tokens: number; cached: number },
): CachedAttention {
  using stack = new DisposableStack();
  const keys = cached + tokens;
  const kept = Math.min(plan.cache, keys);
  const keyPositions = stack.use(countUp(device, rows, keys));
  const queryPositions = stack.use(countUp(device, rows, tokens, cached));
  // The last `kept` of each row's keys.
  const last = stack.use(device.tensor([rows * kept], {
    dtype: "i32",
    data: Int32Array.from(
      { length: rows * kept },
      (_, i) => Math.floor(i / kept) * keys + keys - kept + i % kept,
    ),
  }));
  const owned = stack.move();

  /** What was cached, then x [B · tokens, …]: [B · keys, …]. The last of it is cached in turn. */
  function join(ops: Ops, x: Tensor, before: Tensor | undefined, behind: Cached | undefined) {
    const rest = x.shape.slice(1);
    const joined = before ? ops.joinRows(before, ops.reshape(x, [rows, tokens, ...rest])) : x;
    const flat = ops.reshape(joined, [rows * keys, ...rest]);
    if (behind && kept > 0) {
      const out = device.tensor([rows, kept, ...rest]);
      device.gather(flat, last, device.reshape(out, [rows * kept, ...rest]));
      behind.parts.push(out);
    }
    return flat;
  }

  return {
    attend(ops, input, before, behind) {
      for (const x of behind?.parts.splice(0) ?? []) x[Symbol.dispose]();
      const relative = plan.positions === "relative";
      const grid = (x: Tensor, count: number): Tensor =>
        ops.reshape(x, [rows, count, ...x.shape.slice(1)]);
      let q = input.q();
      let k: Tensor;
      let v: Tensor;
      let distances: Tensor | undefined;
      if (relative) {
        const x = join(ops, input.x, before.parts[0], behind);
        [k, v] = [input.k(x), input.v(x)];
        distances = projectDistances(ops, plan, input, tables.sinusoids);
      } else {
        k = join(ops, input.k(), before.parts[0], behind);
        v = join(ops, input.v(), before.parts[1], behind);
        q = ops.rope(q, queryPositions, tables.rotations);
        k = ops.rope(k, keyPositions, tables.rotations);
      }
      const options = attentionOptions(plan, input, distances);
      const out = ops.windowAttention(grid(q, tokens), grid(k, keys), grid(v, keys), options);
      return ops.reshape(out, q.shape);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
