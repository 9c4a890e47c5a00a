/** One line of a plot. */
export interface Series {
  readonly label: string;
  /** Drawn in grey, behind what matters more. @default {false} */
  readonly faint?: boolean;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Options of {@linkcode plot}. */
export interface PlotOptions {
  title: string;
  xLabel: string;
  yLabel: string;
  /** In pixels. @default {800} */
  width?: number;
  /** In pixels. @default {420} */
  height?: number;
}

const COLOURS = [
  ...["#c0392b", "#2471a3", "#1e8449", "#b7950b"],
  ...["#7d3c98", "#17a589", "#5d4037"],
];
const FAINT = "#9aa7b4";
/** The legend stands on the right, where no line crosses it. */
const MARGIN = { left: 64, right: 160, top: 44, bottom: 52 };
/** More points than pixels only make the file large. */
const MOST_POINTS = 600;

interface Axis {
  readonly least: number;
  readonly most: number;
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

/**
 * Draws lines over two axes.
 *
 * @returns An SVG document.
 * @throws {RangeError} If there is no point that can be drawn.
 */
export function plot(series: readonly Series[], options: PlotOptions): string {
  const { title, xLabel, yLabel, width = 800, height = 420 } = options;
  const drawn = series.map(({ label, faint, points }, i) => ({
    label,
    colour: faint ? FAINT : COLOURS[i % COLOURS.length],
    points: thin(points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))),
  }));
  const points = drawn.flatMap(({ points }) => points);
  if (points.length === 0) {
    throw new RangeError(
      "Cannot plot as there must be a point at least: current value is 0 points",
    );
  }
  const x = axis(points.map(({ x }) => x), MARGIN.left, width - MARGIN.right);
  const y = axis(points.map(({ y }) => y), height - MARGIN.bottom, MARGIN.top);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#333">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${MARGIN.left}" y="24" font-size="15">${escape(title)}</text>`,
    ...y.ticks.map((tick) => horizontal(tick, y, width)),
    ...x.ticks.map((tick) => vertical(tick, x, height)),
    `<path d="M${MARGIN.left} ${MARGIN.top}V${height - MARGIN.bottom}H${width - MARGIN.right}" ` +
    `fill="none" stroke="#333"/>`,
    ...drawn.map(({ points, colour }) => line(points, x, y, colour)),
    ...drawn.map(({ label, colour }, i) => legend(label, colour, { i, width })),
    `<text x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${height - 12}" ` +
    `text-anchor="middle">${escape(xLabel)}</text>`,
    `<text transform="translate(18 ${(MARGIN.top + height - MARGIN.bottom) / 2}) rotate(-90)" ` +
    `text-anchor="middle">${escape(yLabel)}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

/** Ticks at round numbers, 1, 2 or 5 times a power of ten apart: about five of them. */
export function ticks(least: number, most: number): number[] {
  const rough = (most - least) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(least / step - 1e-9);
  const last = Math.floor(most / step + 1e-9);
  // Counted in steps and rounded, so that 3 · 0.1 is written 0.3.
  return Array.from(
    { length: last - first + 1 },
    (_, i) => Number(((first + i) * step).toPrecision(12)),
  );
}

function axis(values: readonly number[], from: number, to: number): Axis {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  // A single value still gets an axis, with the value in its middle.
  const spread = high > low ? 0 : Math.max(Math.abs(high), 1) / 2;
  const [least, most] = [low - spread, high + spread];
  return {
    least,
    most,
    ticks: ticks(least, most),
    at: (value) => from + (value - least) / (most - least) * (to - from),
  };
}

/** At most {@linkcode MOST_POINTS} points, each the mean of its neighbourhood. */
function thin(points: Series["points"]): Series["points"] {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    const mean = (key: "x" | "y"): number =>
      group.reduce((sum, point) => sum + point[key], 0) / group.length;
    return { x: mean("x"), y: mean("y") };
  });
}

function line(points: Series["points"], x: Axis, y: Axis, colour: string): string {
  const places = points.map((point) => `${round(x.at(point.x))},${round(y.at(point.y))}`);
  if (places.length === 1) {
    const [cx, cy] = places[0].split(",");
    return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
  }
  return `<polyline points="${
    places.join(" ")
  }" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
}

function horizontal(tick: number, y: Axis, width: number): string {
  const at = round(y.at(tick));
  return `<path d="M${MARGIN.left} ${at}H${width - MARGIN.right}" stroke="#e6e6e6"/>` +
    `<text x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${tick}</text>`;
}

function vertical(tick: number, x: Axis, height: number): string {
  const at = round(x.at(tick));
  const bottom = height - MARGIN.bottom;
  return `<path d="M${at} ${bottom}v5" stroke="#333"/>` +
    `<text x="${at}" y="${bottom + 20}" text-anchor="middle">${tick}</text>`;
}

function legend(label: string, colour: string, place: { i: number; width: number }): string {
  const y = MARGIN.top + 14 + 18 * place.i;
  const x = place.width - MARGIN.right + 16;
  return `<path d="M${x} ${y - 4}h20" stroke="${colour}" stroke-width="2"/>` +
    `<text x="${x + 26}" y="${y}">${escape(label)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
