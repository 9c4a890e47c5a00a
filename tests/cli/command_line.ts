import { main } from "../../src/cli/main.ts";
import { repositoryResources } from "../../src/cli/resources.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type FakeTerminal, fakeTerminal } from "./fake_terminal.ts";

/** Runs a command line as a shell would cut it; words with spaces are given apart. */
export async function run(
  line: string,
  words: readonly string[] = [],
  options: Partial<Terminal> = {},
): Promise<{ code: number } & FakeTerminal["written"]> {
  const terminal = fakeTerminal(options);
  const args = [...line.split(" ").filter(Boolean), ...words];
  const context = { terminal, files: denoFiles(), resources: repositoryResources() };
  return { code: await main(args, context), ...terminal.written };
}

/** The book's beginning with a key in it, in a file that goes at the end. */
export async function textFile(
  letters: number,
): Promise<{ path: string; folder: string } & Disposable> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/book.txt`;
  const book = await repositoryResources().book();
  await Deno.writeTextFile(
    path,
    `${book.slice(0, 500)}\nThe pass key is 48213. Remember it. 48213 is the pass key.\n${
      book.slice(500, letters)
    }`,
  );
  const remove = (): void => Deno.removeSync(folder, { recursive: true });
  return { path, folder, [Symbol.dispose]: remove };
}

/** Sets a variable of the environment for a while. */
export function variable(name: string, value: string): Disposable {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () =>
      before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before),
  };
}

export const QUESTION = "What is the pass key? The pass key is";
