import { deepEqual, equal } from "node:assert/strict";
import { stagingBuffers } from "../../src/device/gpu/staging.ts";

/** Buffers that say what becomes of them. */
function recorded(log: string[]): (descriptor: GPUBufferDescriptor) => GPUBuffer {
  return ({ size }) => {
    log.push(`create ${size}`);
    const buffer = {
      size,
      unmap: () => void log.push(`unmap ${size}`),
      destroy: () => void log.push(`destroy ${size}`),
    };
    return buffer as unknown as GPUBuffer;
  };
}

Deno.test("stagingBuffers() uses a buffer again for what is about as large", () => {
  const log: string[] = [];
  const buffers = stagingBuffers(recorded(log));
  const first = buffers.take(1000);
  const second = buffers.take(1000); // the first one is still being read
  buffers.give(first);
  equal(buffers.take(600), first);
  buffers.give(second);
  buffers.take(4); // none of that size yet
  deepEqual(log, ["create 1024", "create 1024", "unmap 1024", "unmap 1024", "create 256"]);
});

Deno.test("stagingBuffers() keeps no more than 16 MiB, and nothing that is larger", () => {
  const log: string[] = [];
  const buffers = stagingBuffers(recorded(log));
  const half = [1, 2, 3].map(() => buffers.take(2 ** 23));
  for (const buffer of half) buffers.give(buffer);
  deepEqual(log.slice(3), ["unmap 8388608", "unmap 8388608", "destroy 8388608"]);
  const large = buffers.take(2 ** 24 + 4);
  equal(large.size, 2 ** 24 + 4);
  buffers.give(large);
  deepEqual(log.slice(6), ["create 16777220", "destroy 16777220"]);
});
