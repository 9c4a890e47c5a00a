import type { Batch } from "../mechanism.ts";

/** @throws {RangeError} If rows have padding or several documents. */
export function refuseMasks(what: string, { document, present }: Batch): void {
  if (!document && !present) return;
  throw new RangeError(
    `Cannot read rows with ${what} as each must be one text without padding: ` +
      `current value has ${document ? "documents" : "padding"}`,
  );
}
