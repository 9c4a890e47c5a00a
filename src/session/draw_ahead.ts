/**
 * Tokens drawn on the device: each goes on as the next one's input before anybody has read it, and
 * the host learns of them some steps later, several at once.
 *
 * A pass is committed when its token is taken. What runs ahead is open passes, each begun behind the
 * others, and so leaves no trace when it is given up. None is begun behind a border, where what was
 * read is stored for good: that waits until the token before it is taken.
 */

import type { BlocksRead } from "../memory/read_blocks.ts";
import type { Device, Tensor } from "../device/device.ts";
import { forbiddenBits } from "../device/sampling.ts";
import type { DrawOptions, Draws } from "./draws.ts";
import { fitsBehind, type OpenPass, openPass, type ReaderParts } from "./pass.ts";
import type { Reader } from "./reader.ts";
import { sample } from "./sampler.ts";

/** Open passes at most. */
const AHEAD = 8;
/** Ids that are read back at once. */
const GROUP = 4;

/** What a reader holds behind the tokens that were taken. */
export interface Behind {
  readonly next: Float32Array | undefined;
  readonly blocks: readonly BlocksRead[];
}

/** A token that the device has drawn. */
interface Chance {
  /** i32 [1]. */
  readonly id: Tensor;
  readonly uniform: number;
  /** The same id, once it is read back. */
  known(): Promise<number>;
}

/** A pass, and what was drawn behind it, unless it is the last one. */
interface Ahead {
  readonly pass: OpenPass;
  readonly chance: Chance | undefined;
}

/** Draws behind what the reader has read; `settle` is told what stands behind the tokens taken. */
export function drawAhead(
  parts: ReaderParts,
  reader: Reader,
  options: DrawOptions,
  settle: (behind: Behind) => void,
): Draws {
  const { device, marker } = parts;
  const { state } = reader;
  const { maxTokens, remember, trace, signal } = options;
  // Nobody asks what comes behind the last token, which is read only to be remembered.
  const passes = remember ? maxTokens : maxTokens - 1;
  const chances = createChances(device, options, parts.model.config.vocab);
  const open: Ahead[] = [];
  let last: Ahead | undefined; // the one taken last
  let { blocks } = reader;
  let id = -1;
  let drawn = 0;
  let failed = false;

  const giveUp = (): void => {
    for (const { pass } of open.splice(0)) pass[Symbol.dispose]();
  };
  const tokensAhead = (): number => open.reduce((sum, { pass }) => sum + pass.count, 0);
  /** Begins the pass of a token. */
  async function begin(id: Tensor): Promise<void> {
    using stack = new DisposableStack();
    const pass = stack.use(await openPass(parts, state, id, { behind: tokensAhead(), trace }));
    // The first of those that are open is the one drawn last.
    const isWanted = drawn + open.length < maxTokens;
    open.push({ pass, chance: isWanted ? chances.draw(pass.logits) : undefined });
    stack.move();
  }
  /** Whether a token that nobody knows yet may go on. */
  function mayGoOn(): boolean {
    if (!state.mayGoAhead || open.length >= AHEAD) return false;
    return drawn + open.length <= passes && fitsBehind(state, marker, tokensAhead());
  }
  async function goAhead(): Promise<void> {
    try {
      while (mayGoOn()) await begin(open.at(-1)!.chance!.id);
    } catch {
      // It is tried again, and told, when all before it were taken.
    }
  }
  async function take(): Promise<void> {
    signal?.throwIfAborted();
    if (open.length === 0) {
      using known = device.tensor([1], { dtype: "i32", data: [id] });
      await begin(known);
    }
    await goAhead();
    blocks = await open[0].pass.commit();
    last?.pass[Symbol.dispose]();
    last = open.shift();
  }

  return {
    async next() {
      id = last ? await last.chance!.known() : sample(reader.next!, options, options.uniform);
      if (id < 0) {
        // The device found none: the host says why.
        giveUp();
        const logits = await device.read(last!.pass.logits) as Float32Array;
        id = sample(logits, options, () => last!.chance!.uniform);
      }
      drawn++;
      return { id, blocks };
    },
    async take() {
      try {
        await take();
      } catch (error) {
        failed = true;
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      giveUp();
      using _chances = chances;
      using _last = last?.pass;
      if (!remember || (!failed && !last)) return;
      const next = failed ? undefined : await logitsBehind(device, last!.pass);
      settle({ next, blocks });
    },
  };
}

/** The logits, or none if the device is lost, which whatever is asked of it next will tell. */
async function logitsBehind(device: Device, pass: OpenPass): Promise<Float32Array | undefined> {
  try {
    return Float32Array.from(await device.read(pass.logits));
  } catch {
    return undefined;
  }
}

interface Chances extends Disposable {
  /** Draws a token of logits f32 [1, V]. */
  draw(logits: Tensor): Chance;
}

/** Draws on the device, and reads what was drawn by groups: when one is full, or first asked for. */
function createChances(device: Device, options: DrawOptions, vocab: number): Chances {
  using stack = new DisposableStack();
  const words = forbiddenBits(options.forbidden, vocab);
  const forbidden = stack.use(device.tensor([words.length], { dtype: "i32", data: words }));
  const groups: IdGroup[] = [];
  stack.defer(() => {
    for (const group of groups) group[Symbol.dispose]();
  });
  const owned = stack.move();
  return {
    draw(logits) {
      let group = groups.at(-1);
      if (!group || group.isClosed) groups.push(group = idGroup(device));
      // Each holds one at least of those that are in use: the open ones' and the last one's.
      if (groups.length > AHEAD + 1) groups.shift()![Symbol.dispose]();
      const uniform = options.temperature ? options.uniform() : 0;
      const { id, known } = group.add((id) =>
        device.sample(logits, forbidden, id, { ...options, uniforms: [uniform] })
      );
      return { id, known, uniform };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Some ids that lie side by side. */
interface IdGroup extends Disposable {
  /** It is read, and takes no more. */
  readonly isClosed: boolean;
  /** Lets an id i32 [1] be written. */
  add(write: (id: Tensor) => void): Pick<Chance, "id" | "known">;
}

function idGroup(device: Device): IdGroup {
  const ids = device.tensor([GROUP], { dtype: "i32", zero: false });
  let count = 0;
  let reading: Promise<Int32Array> | undefined;
  const read = (): Promise<Int32Array> => {
    reading ??= device.read(device.view(ids, 0, count)) as Promise<Int32Array>;
    // Whoever waits for it is told; nobody may.
    reading.catch(() => {});
    return reading;
  };
  return {
    get isClosed() {
      return reading !== undefined;
    },
    add(write) {
      const at = count++;
      const id = device.view(ids, at, 1);
      write(id);
      if (count === GROUP) read();
      return { id, known: async () => (await read())[at] };
    },
    [Symbol.dispose]: () => ids[Symbol.dispose](),
  };
}
