/**
 * Values kept by a sequence of keys. They are looked up at every run of a kernel, where a text made
 * of the keys would cost more than all else.
 */
export interface Branch<Key, Value> {
  value: Value | undefined;
  readonly next: Map<Key, Branch<Key, Value>>;
}

/** A branch without anything. */
export function branch<Key, Value>(): Branch<Key, Value> {
  return { value: undefined, next: new Map() };
}

/** The branch behind one more key. */
export function behind<Key, Value>(from: Branch<Key, Value>, key: Key): Branch<Key, Value> {
  let found = from.next.get(key);
  if (!found) from.next.set(key, found = branch());
  return found;
}
