import type { BlockPlan, Blocks, Tensor } from "../device.ts";
import { checkDivides } from "../shapes.ts";
import type { GpuHost } from "./host.ts";

/** Numbers for each key in {@linkcode GpuBlocks.sights}. */
const FIELDS = 4;

/** In place of a landmark: no query sees this key. */
const UNSEEN = -2;
/** In place of a landmark: only queries of its own block see this key. */
const OPEN = -1;

/** A plan for a GPU. */
export class GpuBlocks implements Blocks {
  #freed = false;
  #sights: Tensor | undefined;

  constructor(
    readonly host: GpuHost,
    readonly rows: number,
    readonly keys: number,
    /**
     * M ≥ 2 when key j is a landmark exactly if j % M = M − 1, in all rows, and there are no
     * documents and no padding; else 0. A plan without a landmark has an M > S, a multiple of 64.
     */
    readonly regular: number,
    /** R: 1 when all rows are alike, else B. */
    readonly distinct: number,
    readonly data: () => Int32Array,
  ) {}

  get freed(): boolean {
    return this.#freed;
  }

  /**
   * What keys are, and queries see: i32 [R, S, 4], its first element at offset 0 of its buffer, so
   * that a kernel may bind it as array<vec4i>. Made when it is first asked for. For key j:
   *
   * - x, the block's number, rising; −1 for padding.
   * - y, the document's first key; j + 1 for padding, so that y … j is what a query looks at.
   * - z, the block's first key, at least y; j + 1 for padding.
   * - w, the landmark that ends its block, which is j itself for a landmark. −1 if the block has
   *   none (or it is padding): later blocks do not see the key. −2 if no query does: the key is
   *   padding, or a landmark without a regular token.
   *
   * Query i sees key j when y_i ≤ j ≤ i, and: of its own block, j ≥ z_i, if w_j ≠ j and w_j > −2 (as
   * a regular token of the top group); of earlier ones, j < z_i, if w_j ≥ 0 (a gate of the top
   * group if w_j = j, else in the private group of w_j).
   */
  get sights(): Tensor {
    const { host, distinct, keys } = this;
    return this.#sights ??= host.tensor([distinct, keys, FIELDS], {
      dtype: "i32",
      data: this.data(),
    });
  }

  [Symbol.dispose](): void {
    this.#freed = true;
    this.#sights?.[Symbol.dispose]();
    this.#sights = undefined;
  }
}

/** Makes a plan ready. @throws {RangeError} If it fits neither a row nor the batch. */
export function blocks(host: GpuHost, plan: BlockPlan, rows: number, keys: number): GpuBlocks {
  for (const name of ["isLandmark", "document", "present"] as const) {
    const length = plan[name]?.length ?? keys;
    if (length === keys || length === rows * keys) continue;
    throw new RangeError(
      `Cannot plan blocks as ${name} must have a length of ${keys} or ${rows} · ${keys}: ` +
        `current value is ${length}`,
    );
  }
  const inputs = [plan.isLandmark, plan.document, plan.present];
  const distinct = inputs.every((input) => (input?.length ?? keys) === keys) ? 1 : rows;
  const regular = regularOf(plan, keys);
  if (regular > 0) {
    return new GpuBlocks(host, rows, keys, regular, 1, () => spellOut(plan, 1, keys));
  }
  const data = spellOut(plan, distinct, keys);
  return new GpuBlocks(host, rows, keys, 0, distinct, () => data);
}

/** The blocks, if they are this host's, alive, and fit the tensors of an attention. */
export function checkBlocks(
  operation: string,
  host: GpuHost,
  blocks: Blocks,
  { B, T, S, G, H }: Record<"B" | "T" | "S" | "G" | "H", number>,
): GpuBlocks {
  checkDivides(operation, ["G", G], ["H", H]);
  if (!(blocks instanceof GpuBlocks) || blocks.host !== host) {
    throw new TypeError(`Cannot run ${operation} as its blocks belong to another device`);
  }
  if (blocks.freed) throw new TypeError(`Cannot run ${operation} as its blocks were freed`);
  if (blocks.rows !== B || blocks.keys !== S || T > S) {
    throw new RangeError(
      `Cannot run ${operation} as blocks must be for B = ${B} rows of S = ${S} keys, and the ` +
        `T = ${T} queries the last of them: current value is ${blocks.rows} rows of ${blocks.keys} keys`,
    );
  }
  return blocks;
}

/** M of a plan that is regular in all rows, else 0. */
function regularOf({ isLandmark, document, present }: BlockPlan, keys: number): number {
  if (present?.includes(0)) return 0;
  if (document?.some((d, j) => j % keys > 0 && d !== document[j - 1])) return 0;
  const first = isLandmark.findIndex((is) => is !== 0);
  const M = first < 0 ? 64 * Math.ceil((keys + 1) / 64) : first + 1;
  if (M < 2 || first >= keys) return 0;
  return isLandmark.every((is, j) => (is !== 0) === (j % keys % M === M - 1)) ? M : 0;
}

/** The numbers of {@linkcode GpuBlocks.sights}. */
function spellOut(plan: BlockPlan, rows: number, keys: number): Int32Array {
  const sights = new Int32Array(rows * keys * FIELDS);
  const rowOf = <T extends Uint8Array | Int32Array>(x: T | undefined, b: number) =>
    x && (x.length === keys ? x : x.subarray(b * keys, (b + 1) * keys));
  for (let b = 0; b < rows; b++) {
    const into = sights.subarray(b * keys * FIELDS, (b + 1) * keys * FIELDS);
    const [isLandmark, document, present] = [plan.isLandmark, plan.document, plan.present]
      .map((input) => rowOf(input, b));
    spellOutRow(into, isLandmark!, document, present);
  }
  return sights;
}

/** One row: into [S, 4]. */
function spellOutRow(
  into: Int32Array,
  isLandmark: ArrayLike<number>,
  document: ArrayLike<number> | undefined,
  present: ArrayLike<number> | undefined,
): void {
  const begun = new Set<number>();
  let current: number | undefined;
  let [block, documentStart, blockStart, regulars] = [0, 0, 0, 0];
  const begin = (key: number) => {
    block++;
    blockStart = key;
    regulars = 0;
  };
  for (let j = 0; j < isLandmark.length; j++) {
    const at = j * FIELDS;
    const ends = isLandmark[j] !== 0;
    if (present && !present[j]) {
      into.set([-1, j + 1, j + 1, UNSEEN], at);
      // A landmark that is padding still ends its block, which then has none.
      if (ends) begin(j + 1);
      continue;
    }
    // Padding is as if it did not exist: what document it claims to be in means nothing.
    const own = document ? document[j] : 0;
    if (own !== current) {
      if (begun.has(own)) {
        throw new RangeError(
          `Cannot plan blocks as a document must be contiguous: document ${own} begins again ` +
            `at key ${j}`,
        );
      }
      begun.add(current = own);
      documentStart = j;
      begin(j);
    }
    if (!ends) regulars++;
    into.set([block, documentStart, blockStart, ends ? UNSEEN : OPEN], at);
    if (!ends) continue;
    if (regulars > 0) gateBlock(into, blockStart, j);
    begin(j + 1);
  }
}

/** The keys of the block from `start` on are seen through the landmark that ends it. */
function gateBlock(into: Int32Array, start: number, landmark: number): void {
  for (let j = start; j <= landmark; j++) {
    if (into[j * FIELDS] >= 0) into[j * FIELDS + 3] = landmark;
  }
}
