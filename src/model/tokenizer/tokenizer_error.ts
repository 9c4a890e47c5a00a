/** A tokenizer that cannot be read, or does not fit its model. */
export class TokenizerError extends SyntaxError {
  /** Its class, also across realms. */
  override name = "TokenizerError";

  /** Takes what comes after "as" in the message. */
  constructor(problem: string, options?: ErrorOptions) {
    super(`Cannot use the tokenizer as ${problem}`, options);
  }
}
