/** 1 at every M-th of `length` tokens. */
export function regularLandmarks(length: number, blockSize: number): Uint8Array {
  return Uint8Array.from({ length }, (_, t) => t % blockSize === blockSize - 1 ? 1 : 0);
}
