/** The command line: picks the command, runs it, and turns what it throws into an exit code. */

import { denoFiles } from "../io/deno_files.ts";
import { nearest, UsageError } from "./args.ts";
import type { Command, Context, Resources } from "./command.ts";
import { denoTerminal } from "./deno_terminal.ts";
import { repositoryResources } from "./resources.ts";
import { paint, type Terminal } from "./terminal.ts";
import { ask } from "./ask.ts";
import { compare } from "./compare.ts";
import { demo } from "./demo.ts";
import { devices } from "./devices.ts";
import { evaluate } from "./evaluate.ts";
import { generate } from "./generate.ts";
import { inspect } from "./inspect.ts";
import { passkey } from "./passkey.ts";
import { train } from "./train.ts";

const COMMANDS: readonly Command[] = [
  demo,
  ask,
  generate,
  inspect,
  passkey,
  evaluate,
  train,
  compare,
  devices,
];

/** Done; failed; wrong usage; stopped by the user (as shells count an interrupt). */
const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/**
 * Runs one command.
 *
 * @param args What was typed after the program's name.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
export async function main(args: readonly string[], context: Context): Promise<number> {
  const { terminal } = context;
  const verbose = args.includes("--verbose");
  try {
    const [name, ...rest] = args;
    if (name === undefined) {
      terminal.note(overview(terminal));
      return EXIT.usage;
    }
    if (["help", "--help", "-h"].includes(name)) {
      if (rest.length > 0) return await find(rest[0]).run(["--help"], context);
      terminal.out(overview(terminal));
      return EXIT.done;
    }
    return await find(name).run(rest, context);
  } catch (error) {
    return report(error, terminal, verbose);
  }
}

function find(name: string): Command {
  const command = COMMANDS.find((command) => command.name === name);
  if (command) return command;
  const near = nearest(name, COMMANDS.map(({ name }) => name));
  const hint = near === undefined ? `the commands are ${names()}` : `did you mean ${near}?`;
  throw new UsageError(`Cannot understand "${name}": ${hint}`);
}

function names(): string {
  return COMMANDS.map(({ name }) => name).join(", ");
}

function overview(terminal: Terminal): string {
  const widest = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) =>
    `  ${paint(terminal, "cyan", name.padEnd(widest))}  ${summary}`
  );
  return [
    "Cairn: a transformer that can go back to any earlier block of its input.",
    "",
    `${paint(terminal, "bold", "Usage:")} cairn COMMAND [OPTIONS]`,
    "",
    ...lines,
    "",
    "cairn COMMAND --help says what a command takes, and shows how.",
    "",
  ].join("\n");
}

/** Says what went wrong, in one line, and gives the exit code. */
function report(error: unknown, terminal: Terminal, verbose: boolean): number {
  // Whoever read our output has gone: there is nobody to tell.
  if (error instanceof Error && error.name === "BrokenPipe") return EXIT.failed;
  const interrupted = terminal.signal.aborted;
  const message = interrupted ? "Interrupted" : error instanceof Error ? error.message : `${error}`;
  terminal.note(`${paint(terminal, "red", "cairn:")} ${message || error}\n`);
  if (verbose && error instanceof Error) terminal.note(`${traceOf(error)}\n`);
  if (interrupted) return EXIT.interrupted;
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

function traceOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${traceOf(error.cause)}` : "";
  return (error.stack ?? `${error}`) + cause;
}

/** Runs the program of this process; never returns. */
export async function runProcess(resources: Resources): Promise<never> {
  const terminal = denoTerminal();
  Deno.exit(await main(Deno.args, { terminal, files: denoFiles(), resources }));
}

if (import.meta.main) await runProcess(repositoryResources());
