import type { Bookkeeping } from "../device/bookkeeping.ts";
import type { Device, Tensor } from "../device/device.ts";
import type { Ops } from "../device/ops.ts";
import type { Files } from "../io/files.ts";
import type { MemoryOptions } from "../memory/options.ts";
import type { BlocksRead } from "../memory/read_blocks.ts";

/** What a layer's attention is made from; each part is computed when it is asked for. */
export interface LayerInput {
  /** f32 [T, C]: what enters the layer, normed. */
  readonly x: Tensor;
  /** Queries f32 [T, H, D], without position. */
  q(): Tensor;
  /** Keys f32 [T, G, D], without position; of the layer's own x, or of another f32 [T, C]. */
  k(x?: Tensor): Tensor;
  /** Values f32 [T, G, D], likewise. */
  v(x?: Tensor): Tensor;
  /** A parameter of the mechanism's own, as {@linkcode Mechanism.parameters} names it. */
  own(name: string): Tensor;
}

/**
 * What the transformer asks of a mechanism in one layer: f32 [T, H, D]. The transformer does not
 * know which one it holds.
 */
export type Attend = (ops: Ops, layer: number, input: LayerInput) => Tensor | Promise<Tensor>;

/** A parameter that a mechanism adds to a model. */
export interface OwnParameter {
  /** Lengths of its axes; a matrix is [out, in]. */
  readonly shape: readonly number[];
  /** What its numbers are before training: all the same, drawn from N(0, deviation), or these. */
  readonly start: number | { readonly deviation: number } | Float32Array;
  /** Whether weight decay makes it smaller. */
  readonly decays: boolean;
  /** Whether it learns at the rate of gates (`optimizer.gateRate`). */
  readonly isGate: boolean;
}

/** A token that the mechanism puts into every text, at positions every − 1, 2·every − 1, … */
export interface Marker {
  /** Its id. */
  readonly token: number;
  /** M: it is the last of so many tokens. */
  readonly every: number;
}

/** What a mechanism can do. */
export interface Capabilities {
  /** No token sees a later one. */
  readonly causal: boolean;
  /** The state does not grow with what was read. */
  readonly boundedState: boolean;
  /** It can go back to exact old tokens. */
  readonly randomAccess: boolean;
  /** Tokens that were read can be replaced by others. */
  readonly replaceable: boolean;
}

/** Rows of equal length, read at once, as training does. */
export interface Batch {
  /** B. */
  readonly rows: number;
  /** Tokens a row, markers included. */
  readonly length: number;
  /** i32 [length] or [rows · length]: documents packed in a row. */
  readonly document?: Int32Array | undefined;
  /** u8 [length] or [rows · length]: 0 is padding. */
  readonly present?: Uint8Array | undefined;
  /** Blocks that serve as negatives for other rows, where the mechanism has a use for them. */
  readonly negatives?: Negatives | undefined;
  /** One window only, as other mechanisms in the same model need it. @default {false} */
  readonly whole?: boolean | undefined;
  /** Windows that a gradient flows back through, at most. @default {all of a row} */
  readonly backWindows?: number | undefined;
}

/** Blocks of this batch that other rows are to tell from their own. */
export interface Negatives {
  /** Which ones: row · (length / every) + block, [N]. */
  readonly blocks: Int32Array;
  /** In place of which of a row's blocks each of them stands, [N]. @default {the first} */
  readonly places?: Int32Array | undefined;
  /** i32 [rows, n]: which of those a row sees, −1 for none. */
  readonly index: Int32Array;
  /** How many blocks each stands for. @default {1} */
  readonly weight?: number | undefined;
}

/** A stretch of every row that goes through all layers before the next one does. */
export interface Window {
  /** Its first token in the row. */
  readonly at: number;
  /** Tokens of each row. */
  readonly length: number;
  /** Whether no gradient comes back to it from the windows behind. */
  readonly isCut: boolean;
  /** Goes through the layers; a window may be gone through more than once. */
  begin(): WindowPass;
}

/** A window's way through the layers. */
export interface WindowPass {
  /** What the transformer calls, layer by layer. */
  readonly attend: Attend;
  /**
   * What the next window reads, of each layer that attended: `kept`, which has the numbers of `made`,
   * and outlives the operations that made it.
   */
  readonly handed: readonly Handed[];
}

/** A tensor that a window hands on to the next one. */
export interface Handed {
  /** As the window's operations made it. */
  readonly made: Tensor;
  /** The same numbers, where the next window reads them. */
  readonly kept: Tensor;
}

/** Attention over a whole batch, with what it holds on the device. */
export interface BatchAttention extends Disposable {
  /** In order; a mechanism that reads rows whole has one. */
  readonly windows: readonly Window[];
}

/** One call's worth of tokens going through the layers. Nothing is remembered before `commit`. */
export interface Step extends Disposable {
  /** T, its tokens. */
  readonly count: number;
  /** What the transformer calls, layer by layer. */
  readonly attend: Attend;
  /** Appends a layer's tokens where nobody needs what they see. */
  remember(layer: number, input: LayerInput): void;
  /** What was read, by layer, once the step is committed, if it was begun with `trace`. */
  readonly reads: readonly BlocksRead[];
  /** Remembers what was read. A step that is not committed leaves no trace. */
  commit(): Promise<void>;
}

/** Where the bytes of a state are, and what became of what it held. */
export interface StateUsage {
  /** Blocks that it can go back to. */
  readonly blocks: number;
  /** Tokens since the last border. */
  readonly localBytes: number;
  /** A memory of fixed size. */
  readonly memoryBytes: number;
  /** Landmark keys, shared with forks, as all that follows. */
  readonly landmarkBytes: number;
  /** The device's cache of blocks. */
  readonly poolBytes: number;
  /** Blocks in the host's memory. */
  readonly hostBytes: number;
  /** Blocks in a file. */
  readonly fileBytes: number;
  /** The table of blocks. */
  readonly tableBytes: number;
  /** What a token that is read costs for good. */
  readonly bytesPerToken: number;
  /** Blocks that went from the host to the file. */
  readonly demotedBlocks: number;
  /** Blocks that were forgotten. */
  readonly evictedBlocks: number;
  /** Time spent looking for blocks. */
  readonly scanMs: number;
  /** Time spent bringing blocks to the device. */
  readonly readMs: number;
}

/** A state on its way to or from a file: what it is, then its numbers in records. */
export interface SavedState {
  /** JSON. */
  readonly about: Readonly<Record<string, unknown>>;
  /** In an order that `about` gives a meaning to. */
  readonly records: AsyncIterable<Uint8Array>;
}

/** What one stream of tokens leaves behind while it is read: the mechanism's memory. */
export interface State extends Disposable {
  /** Tokens that may be appended before the next border; a step never crosses one. */
  readonly room: number;
  /** Tokens since the last border. */
  readonly local: number;
  /** Tokens read so far, markers included. */
  readonly length: number;
  /** Bytes that this state holds, shared ones included. */
  readonly bytes: number;
  /** The same by kind. */
  readonly usage: StateUsage;
  /** Whether a step may begin behind others that are not committed, and be given up with no trace. */
  readonly mayGoAhead: boolean;
  /**
   * Begins to append `count` tokens; steps that were begun before may not go on, unless it is begun
   * behind them. @throws {RangeError} If `count` is more than `room`.
   */
  step(count: number, options?: StepOptions): Step;
  /** A state that goes on from here alone; what was stored is shared. */
  fork(): State;
  /**
   * Makes the state what it would be if other tokens stood at `from` … `to` − 1. Only what the
   * change can reach is read again: `read` must take an empty state through the changed text's
   * tokens `start` … `end` − 1.
   * @throws {RangeError} If the change may reach everything, or tokens were forgotten.
   */
  replace(
    change: { readonly from: number; readonly to: number },
    read: (state: State, start: number, end: number) => Promise<void>,
  ): Promise<void>;
  /** Bytes that are missing to append so many tokens and forget nothing. */
  missingBytes(count: number): number;
  /** The state as it is now; it must not change while the records are read. */
  save(): SavedState;
}

/** How a step reads the memory. */
export interface StepOptions {
  /** For `asking` the mechanism may spend more on choosing than for `reading`. @default {"reading"} */
  purpose?: "reading" | "asking";
  /** Keep which blocks were read. @default {false} */
  trace?: boolean;
  /**
   * Tokens of the steps it is begun behind: they are not committed yet, and must be before it is.
   * @default {0}
   */
  behind?: number;
}

/** What states are made with. */
export interface StateOptions extends MemoryOptions {
  /** Makes the table of blocks. */
  readonly bookkeeping: Bookkeeping;
  /** Needed for a file tier. */
  readonly files?: Files | undefined;
}

/** One way for a transformer to look back. */
export interface Mechanism {
  /** What it is called. */
  readonly name: string;
  /** What it can do. */
  readonly capabilities: Capabilities;
  /** What it puts into every text, if anything. */
  readonly marker: Marker | undefined;
  /**
   * The parameters that it adds to a model, in the order in which they are stored: of a layer, or of
   * the model (no layer) where all layers share them.
   */
  parameters(layer?: number): ReadonlyMap<string, OwnParameter>;
  /** Attention over whole rows, for training and for dense evaluation. */
  batch(device: Device, batch: Batch): BatchAttention;
  /** An empty state. @throws {RangeError} On options out of range. */
  state(device: Device, options: StateOptions): State;
  /** A saved state; where options say nothing, it goes on as it was. @throws {SnapshotError} */
  restore(device: Device, saved: SavedState, options: StateOptions): Promise<State>;
}
