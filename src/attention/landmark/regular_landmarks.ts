/** 1 at every M-th of `length` tokens. */
export function regularLandmarks(length: number, blockSize: number): Uint8Array {
  const is = new Uint8Array(length);
  for (let t = blockSize - 1; t < length; t += blockSize) is[t] = 1;
  return is;
}
