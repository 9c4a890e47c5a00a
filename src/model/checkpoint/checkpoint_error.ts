/** A checkpoint that is cut, altered, or not what its configuration promises. */
export class CheckpointError extends SyntaxError {
  /** Its class, also across realms. */
  override name = "CheckpointError";
  /** The file. */
  readonly path: string;
  /** The offending tensor; empty if it is the whole file. */
  readonly tensor: string;

  /** Takes what comes after "as" in the message. */
  constructor(path: string, tensor: string, problem: string, options?: ErrorOptions) {
    const what = tensor === "" ? `"${path}"` : `tensor ${JSON.stringify(tensor)} of "${path}"`;
    super(`Cannot load ${what} as ${problem}`, options);
    this.path = path;
    this.tensor = tensor;
  }
}
