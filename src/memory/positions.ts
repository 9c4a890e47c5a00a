/**
 * Stingy positions (docs/memory.md): the section stands behind K + 1 slots of one block each, at
 * F = (K + 1)·M, however much was read. Blocks are stored with their keys rotated at 0 … M − 1, so
 * that a slot is only a rotation of the query: seen from slot s, a query at p stands at p − s·M.
 */

/** Where the section starts, F. */
export function sectionStart(topBlocks: number, blockSize: number): number {
  return (topBlocks + 1) * blockSize;
}

/** Positions of `count` tokens of the section from offset `at` on. */
export function sectionPositions(start: number, at: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, t) => start + at + t);
}

/** From slot 0 … K: the position of each token as seen from each slot, [T, K + 1]. */
export function slotPositions(
  positions: Int32Array,
  topBlocks: number,
  blockSize: number,
): Int32Array {
  const slots = topBlocks + 1;
  const seen = new Int32Array(positions.length * slots);
  for (let t = 0, i = 0; t < positions.length; t++) {
    for (let slot = 0; slot < slots; slot++) seen[i++] = positions[t] - slot * blockSize;
  }
  return seen;
}

/** Where the keys of a whole section, or of several, stand once they are stored: 0 … M − 1 in each block. */
export function storedPositions(chunk: number, blockSize: number): Int32Array {
  return Int32Array.from({ length: chunk }, (_, o) => o % blockSize);
}
