import type { Files, RandomAccessFile } from "../../io/files.ts";
import { createPlaces, type Tier } from "./tier.ts";

/** Where a disk reads whole pages. */
const PAGE = 4096;
/** Handles that read at once: a single one is serialised by the runtime. */
const READERS = 16;

/**
 * Pieces in a file of their own, each beginning on a page, so that one piece is one read. The file
 * is made at the first write and removed at the end: it is no snapshot.
 */
export function fileTier(
  files: Files,
  path: string,
  pieceBytes: number,
  budgetBytes: number,
): Tier {
  const stride = pieceBytes < PAGE ? pieceBytes : Math.ceil(pieceBytes / PAGE) * PAGE;
  const capacity = Math.floor(budgetBytes / stride);
  const places = createPlaces("file", capacity);
  let file: RandomAccessFile | undefined;
  const open = async (): Promise<RandomAccessFile> => {
    if (await files.stat(path)) {
      throw new TypeError(
        `Cannot keep blocks in "${path}" as nothing may be there yet: remove it, or name another`,
      );
    }
    return await files.open(path, { write: true, create: true, readers: READERS });
  };
  return {
    name: "file",
    capacity,
    get bytes() {
      return places.end * stride;
    },
    get count() {
      return places.count;
    },
    take: (count) => places.take(count),
    async write(taken, pieces) {
      file ??= await open();
      for (const [i, place] of taken.entries()) await file.write(pieces[i], place * stride);
    },
    async get(wanted) {
      const all = new Uint8Array(wanted.length * pieceBytes);
      return await Promise.all(wanted.map(async (place, i) => {
        const piece = all.subarray(i * pieceBytes, (i + 1) * pieceBytes);
        await file!.read(piece, place * stride);
        return piece;
      }));
    },
    delete: (given) => places.give(given),
    [Symbol.dispose]() {
      if (!file) return;
      file[Symbol.dispose]();
      file = undefined;
      // Nobody waits for the end of a scope; a file that stays behind is seen at the next start.
      files.remove(path).catch(() => {});
    },
  };
}
