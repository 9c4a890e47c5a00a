/** A configuration that cannot be read, or that asks for what is not supported. */
export class ConfigError extends SyntaxError {
  /** Its class, also across realms. */
  override name = "ConfigError";
  /** The offending field, as in `landmark.chunk`; empty if it is the whole text. */
  readonly field: string;

  /** Takes what comes after "as" in the message. */
  constructor(field: string, problem: string, options?: ErrorOptions) {
    super(`Cannot read the model's configuration as ${problem}`, options);
    this.field = field;
  }
}
