import { type Device, sizeOf, type Tensor } from "../device/device.ts";

/** Integers of several tensors, read back at once: each wait counts where the device is far away. */
export interface ReadTogether extends Disposable {
  /** The tensor's numbers, once all are read; it goes with them. */
  add(tensor: Tensor): Promise<Int32Array>;
  /** Reads what was added since the last time. */
  read(): void;
}

/** Nothing to read yet. */
export function readTogether(device: Device): ReadTogether {
  let parts: { tensor: Tensor; read: PromiseWithResolvers<Int32Array> }[] = [];
  const free = (): void => {
    for (const { tensor } of parts) tensor[Symbol.dispose]();
    parts = [];
  };
  return {
    add(tensor) {
      const read = Promise.withResolvers<Int32Array>();
      // Who gave up before it came does not want to know why.
      read.promise.catch(() => {});
      parts.push({ tensor, read });
      return read.promise;
    },
    read() {
      if (parts.length === 0) return;
      const sizes = parts.map(({ tensor }) => sizeOf(tensor.shape));
      using all = device.tensor([sizes.reduce((a, b) => a + b)], { dtype: "i32", zero: false });
      let at = 0;
      const waiting = parts.map(({ tensor, read: { resolve, reject } }, i) => {
        const [from, to] = [at, at += sizes[i]];
        device.copy(tensor, device.view(all, from, sizes[i]));
        return { resolve: (all: Int32Array) => resolve(all.subarray(from, to)), reject };
      });
      free();
      (device.read(all) as Promise<Int32Array>).then(
        (numbers) => waiting.forEach(({ resolve }) => resolve(numbers)),
        (error) => waiting.forEach(({ reject }) => reject(error)),
      );
    },
    [Symbol.dispose]: free,
  };
}
