import { deepEqual, equal, rejects } from "node:assert/strict";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type Files, joinPath } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { fileTier } from "../../src/memory/tiers/file_tier.ts";
import { hostTier } from "../../src/memory/tiers/host_tier.ts";
import { put, type Tier } from "../../src/memory/tiers/tier.ts";
import { randomFrom } from "../random.ts";

const PIECE = 5000; // neither a page nor a multiple of one

async function eachTier(body: (tier: Tier) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = joinPath(folder, "tier");
    const tiers = [
      () => hostTier(PIECE, 20 * PIECE),
      () => hostTier(PIECE, 20 * PIECE, { segmentBytes: 3 * PIECE }),
      () => fileTier(memoryFiles(), "tier", PIECE, 20 * 8192),
      () => fileTier(denoFiles(), path, PIECE, 20 * 8192),
    ];
    for (const make of tiers) {
      using tier = make();
      equal(tier.capacity, 20);
      await body(tier);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    equal(await denoFiles().stat(path), undefined, "the file goes with the tier");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a tier gives back what it was given, whatever is deleted in between", async () => {
  await eachTier(async (tier) => {
    const random = randomFrom(3);
    const held = new Map<number, Uint8Array>();
    for (let turn = 0; turn < 200; turn++) {
      const count = random.integer(1, 4);
      if (tier.count + count <= tier.capacity && random.uniform() < 0.6) {
        const pieces = Array.from(
          { length: count },
          () => Uint8Array.from(random.integers(PIECE, 0, 255)),
        );
        const places = await put(tier, pieces);
        places.forEach((place, i) => held.set(place, pieces[i]));
      } else {
        const gone = [...held.keys()].filter(() => random.uniform() < 0.3);
        tier.delete(gone);
        for (const place of gone) held.delete(place);
      }
      equal(tier.count, held.size);
      const places = [...held.keys()].reverse();
      deepEqual(
        (await tier.get(places)).map((x) => x.slice()),
        places.map((place) => held.get(place)),
      );
    }
  });
});

Deno.test("a full tier refuses, and holds what it held", async () => {
  await eachTier(async (tier) => {
    const piece = new Uint8Array(PIECE).fill(7);
    const places = await put(tier, Array(19).fill(piece));
    await rejects(put(tier, [piece, piece]), {
      name: "RangeError",
      message: `Cannot store 2 pieces in the ${tier.name} tier as it must have room for them: ` +
        "current value is 1 of 20",
    });
    equal(tier.count, 19);
    deepEqual((await tier.get(places)).length, 19);
  });
});

Deno.test("the host tier takes memory in segments, as it fills", async () => {
  using tier = hostTier(1000, 10_000_000);
  equal(tier.bytes, 0);
  await put(tier, [new Uint8Array(1000)]);
  equal(tier.bytes, 4_194_000);
  using small = hostTier(1000, 2500);
  await put(small, [new Uint8Array(1000)]);
  equal(small.bytes, 2000, "not more than the budget");
});

Deno.test("the file tier refuses a path where something is", async () => {
  const files = memoryFiles({ "letters.txt": new Uint8Array(3) });
  using tier = fileTier(files, "letters.txt", 10, 100);
  await rejects(put(tier, [new Uint8Array(10)]), {
    name: "TypeError",
    message:
      'Cannot keep blocks in "letters.txt" as nothing may be there yet: remove it, or name ' +
      "another",
  });
  equal((await files.stat("letters.txt"))?.sizeBytes, 3);
});

Deno.test("a disk that is full leaves the tier as it was", async () => {
  const files: Files = memoryFiles({}, { capacityBytes: 25_000 });
  using tier = fileTier(files, "tier", PIECE, 20 * 8192);
  const piece = new Uint8Array(PIECE).fill(9);
  const [place] = await put(tier, [piece]);
  await rejects(put(tier, [piece, piece, piece, piece]), { name: "FileError" });
  equal(tier.count, 1);
  deepEqual(await tier.get([place]), [piece]);
  await put(tier, [piece]);
});
