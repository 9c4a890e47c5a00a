import { grouped, paint, type Terminal, timeText } from "./terminal.ts";

/** How far some long work is. */
export interface Progress {
  /** Done so far and in all, in the same unit; a total that is not known is left out. */
  update(done: number, total?: number): void;
  /** Ends the line and says how long it took for so many (default: those of the last update). */
  finish(done?: number): void;
  /** Takes the unfinished line away: something else is to be said. */
  clear(): void;
}

/** Options of {@linkcode startProgress}. */
export interface ProgressOptions {
  /** What is counted. @default {"tokens"} */
  unit?: string;
  /** In milliseconds, as `performance.now()`. */
  now?: () => number;
}

/** Between two pictures of a bar. */
const REDRAW_MS = 100;
/** Between two lines where lines cannot be written over. */
const LINE_MS = 5000;
const BAR = 24;

/** Shows on the terminal how far some work is; as a bar, or now and then as a line of its own. */
export function startProgress(
  terminal: Terminal,
  label: string,
  options: ProgressOptions = {},
): Progress {
  const { unit = "tokens", now = () => performance.now() } = options;
  const start = now();
  let shown = start;
  let last: { done: number; total: number | undefined } = { done: 0, total: undefined };
  let onScreen = false;

  function draw(text: string, end: boolean): void {
    if (terminal.live) terminal.note(`\r\x1b[2K${text}${end ? "\n" : ""}`);
    else terminal.note(`${text}\n`);
    onScreen = terminal.live && !end;
    shown = now();
  }

  return {
    update(done, total) {
      last = { done, total };
      if (now() - shown < (terminal.live ? REDRAW_MS : LINE_MS)) return;
      draw(
        progressLine(terminal, label, { ...last, unit, seconds: (now() - start) / 1000 }),
        false,
      );
    },
    finish(done = last.done) {
      const seconds = (now() - start) / 1000;
      const rate = seconds > 0 ? `, ${grouped(done / seconds)} ${unit}/s` : "";
      draw(`${label}  ${grouped(done)} ${unit} in ${timeText(seconds)}${rate}`, true);
    },
    clear() {
      if (onScreen) terminal.note("\r\x1b[2K");
      onScreen = false;
    },
  };
}

interface Reached {
  readonly done: number;
  readonly total: number | undefined;
  readonly unit: string;
  readonly seconds: number;
}

function progressLine(terminal: Terminal, label: string, reached: Reached): string {
  const { done, total, unit, seconds } = reached;
  const rate = done / seconds;
  const speed = `${grouped(rate)} ${unit}/s`;
  if (total === undefined || total === 0) return `${label}  ${grouped(done)} ${unit}  ${speed}`;
  const share = Math.min(1, done / total);
  const left = rate > 0 ? `  ${timeText((total - done) / rate)} left` : "";
  const percent = `${Math.floor(100 * share)} %`.padStart(5);
  if (!terminal.live) return `${label} ${percent}  ${speed}${left}`;
  const full = Math.round(BAR * share);
  const bar = "█".repeat(full) + paint(terminal, "dim", "░".repeat(BAR - full));
  return `${label}  ${bar} ${percent}  ${speed}${left}`;
}
