import { equal, ok, throws } from "node:assert/strict";
import { createHeap } from "../../src/device/cpu/heap.ts";
import { randomFrom } from "../random.ts";

const PAGE = 65536;

function memoryOf(pages: { initial: number; maximum: number }): WebAssembly.Memory {
  return new WebAssembly.Memory(pages);
}

for (const seed of [1, 2, 3]) {
  Deno.test(`createHeap() never hands out a byte twice, seed ${seed}`, () => {
    const random = randomFrom(seed);
    const memory = memoryOf({ initial: 1, maximum: 256 });
    const heap = createHeap(memory, 1000);
    const blocks: { start: number; end: number }[] = [];
    for (let turn = 0; turn < 3000; turn++) {
      if (blocks.length > 0 && random.uniform() < 0.48) {
        const [block] = blocks.splice(random.integer(0, blocks.length - 1), 1);
        heap.free(block.start);
      } else {
        const bytes = random.integer(0, random.uniform() < 0.05 ? 100_000 : 500);
        const start = heap.alloc(bytes);
        equal(start % 64, 0);
        blocks.push({ start, end: start + bytes });
      }
      if (turn % 50 === 0) checkApart(blocks, memory);
    }
    for (const { start } of blocks) heap.free(start);
    equal(heap.bytes, 0);
    // The holes have become one again: all of the memory fits, and it need not grow.
    const { byteLength } = memory.buffer;
    heap.alloc(byteLength - 1024 - 64);
    equal(memory.buffer.byteLength, byteLength);
  });
}

function checkApart(blocks: { start: number; end: number }[], memory: WebAssembly.Memory): void {
  const sorted = blocks.toSorted((a, b) => a.start - b.start);
  let end = 1000;
  for (const block of sorted) {
    ok(block.start >= end, `${block.start} lies in what ends at ${end}`);
    end = block.end;
  }
  ok(end <= memory.buffer.byteLength - 64, "a vector may be read past the end");
}

Deno.test("createHeap() counts whole lines of 64 bytes", () => {
  const heap = createHeap(memoryOf({ initial: 1, maximum: 1 }), 0);
  const [one, two] = [heap.alloc(0), heap.alloc(65)];
  equal(heap.bytes, 64 + 128);
  heap.free(one);
  equal(heap.bytes, 128);
  heap.free(two);
  equal(heap.bytes, 0);
});

Deno.test("createHeap() takes the first hole that fits", () => {
  const heap = createHeap(memoryOf({ initial: 1, maximum: 1 }), 0);
  const [a, , c] = [heap.alloc(256), heap.alloc(64), heap.alloc(128), heap.alloc(64)];
  heap.free(a);
  heap.free(c);
  equal(heap.alloc(128), a);
  equal(heap.alloc(128), a + 128);
  equal(heap.alloc(128), c);
});

Deno.test("createHeap() throws when memory is short, and can be used on", () => {
  const heap = createHeap(memoryOf({ initial: 1, maximum: 4 }), 0);
  throws(() => heap.alloc(4 * PAGE), {
    name: "RangeError",
    message: /Cannot allocate 262144 bytes as the CPU device's memory is full: 0 bytes are in use/,
  });
  equal(heap.bytes, 0);
  heap.alloc(3 * PAGE);
  equal(heap.bytes, 3 * PAGE);
});

Deno.test("createHeap() refuses to free twice, or what it did not give", () => {
  const heap = createHeap(memoryOf({ initial: 1, maximum: 1 }), 0);
  const address = heap.alloc(128);
  const message = (at: number) => ({
    name: "RangeError",
    message: `Cannot free address ${at} as nothing is allocated there`,
  });
  throws(() => heap.free(address + 64), message(address + 64));
  heap.free(address);
  throws(() => heap.free(address), message(address));
});
