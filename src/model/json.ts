/**
 * Reads JSON as `JSON.parse` does, and refuses what that hides: two members of one name in an
 * object, of which it would silently keep the last.
 *
 * @throws {SyntaxError} If the text is not JSON, or an object names a member twice.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseDuplicates(text);
  return value;
}

/** Walks text that is known to be JSON. */
function refuseDuplicates(text: string): void {
  // One entry an open bracket: the names seen so far in an object, nothing in an array.
  const open: (Set<string> | undefined)[] = [];
  let nameIsNext = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const end = endOfString(text, i);
      const names = open.at(-1);
      if (nameIsNext && names) addName(names, JSON.parse(text.slice(i, end)));
      nameIsNext = false;
      i = end - 1;
    } else if (c === "{") {
      open.push(new Set());
      nameIsNext = true;
    } else if (c === "[") {
      open.push(undefined);
      nameIsNext = false;
    } else if (c === "}" || c === "]") {
      open.pop();
    } else if (c === ",") {
      nameIsNext = open.at(-1) !== undefined;
    }
  }
}

function addName(names: Set<string>, name: string): void {
  if (names.has(name)) {
    throw new SyntaxError(
      `Cannot read JSON as names in an object must differ: ${JSON.stringify(name)} is there twice`,
    );
  }
  names.add(name);
}

/** The index after the closing quote of the string that opens at `at`. */
function endOfString(text: string, at: number): number {
  let i = at + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

/** Whether a value read from JSON is an object, not an array or null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
