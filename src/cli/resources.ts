import { fileURLToPath } from "node:url";
import { denoFiles } from "../io/deno_files.ts";
import type { Resources } from "./command.ts";

/** The embedded model and the book where the repository, or a compiled binary, has them. */
export function repositoryResources(): Resources {
  const root = new URL("../../", import.meta.url);
  return {
    model: () =>
      Promise.resolve({ folder: fileURLToPath(new URL("models/tiny", root)), files: denoFiles() }),
    book: () => Deno.readTextFile(new URL("books/opticks.txt", root)),
  };
}
