/** A memory that has no room left, and was told not to forget. */
export class MemoryFullError extends RangeError {
  /** "MemoryFullError". */
  override name = "MemoryFullError";
  /** Bytes that are missing, at least. */
  readonly missingBytes: number;

  /** Tells what had no room. */
  constructor(message: string, missingBytes: number) {
    super(message);
    this.missingBytes = missingBytes;
  }
}

/** A snapshot that cannot be restored; the message says what is wrong with it. */
export class SnapshotError extends SyntaxError {
  /** "SnapshotError". */
  override name = "SnapshotError";
}
