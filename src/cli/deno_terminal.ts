import type { Terminal } from "./terminal.ts";

/** Lines are not drawn wider than this, nor taken to be narrower than 40. */
const WIDEST = 120;

/**
 * The terminal of this process. The first Ctrl-C asks the command to stop, the second one ends the
 * process. `NO_COLOR` takes the colours away (https://no-color.org).
 */
export function denoTerminal(): Terminal {
  const controller = new AbortController();
  Deno.addSignalListener("SIGINT", () => {
    if (controller.signal.aborted) Deno.exit(130);
    controller.abort(new DOMException("Interrupted", "AbortError"));
  });
  const encoder = new TextEncoder();
  return {
    out: (text) => writeAll(Deno.stdout, encoder.encode(text)),
    note: (text) => writeAll(Deno.stderr, encoder.encode(text)),
    columns: Math.max(40, Math.min(WIDEST, columns())),
    colours: Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR"),
    live: Deno.stderr.isTerminal(),
    signal: controller.signal,
  };
}

function columns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80; // neither stream is a terminal
  }
}

/** A write may take only a part. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}
