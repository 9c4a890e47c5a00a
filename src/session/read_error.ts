/**
 * A read that stopped half way: aborted, no room, a lost device, text that is none. The session
 * stands behind the last whole step, at a chunk border unless it began within a chunk, and may be
 * used: reading can go on from there.
 */
export class ReadError extends Error {
  /** "ReadError". */
  override name = "ReadError";
  /**
   * Tokens of this call that were read and are remembered, landmarks aside. A GPU is some steps
   * behind: of one that was lost, those that had been given to it before the loss was seen.
   */
  readonly tokensRead: number;

  /** Tells what stopped the read. */
  constructor(tokensRead: number, cause: unknown) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    const kept = tokensRead > 0 ? ` on after ${tokensRead} tokens, which are remembered` : "";
    super(`Cannot read${kept}: ${problem}`, { cause });
    this.tokensRead = tokensRead;
  }
}
