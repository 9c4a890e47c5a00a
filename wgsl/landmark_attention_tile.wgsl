// What a thread of landmark_attention.wgsl holds: a number for each of its eight rows, and tiles of
// eight rows by four or eight columns. A column of a matrix here is a row of the tile.

const LOWEST = -3.0e38; // stands for −∞

/** A number for each of a thread's rows: 0 … 3, then 4 … 7. */
struct Rows {
  lo: vec4f,
  hi: vec4f,
}

/** Eight rows of four columns, and of four further ones. */
struct Tile {
  lo0: mat4x4f,
  hi0: mat4x4f,
  lo1: mat4x4f,
  hi1: mat4x4f,
}

fn rows(value: f32) -> Rows {
  return Rows(vec4f(value), vec4f(value));
}

fn filled(value: f32) -> Tile {
  let row = vec4f(value);
  let m = mat4x4f(row, row, row, row);
  return Tile(m, m, m, m);
}

/** sum + the row x [4] · m [4, 4]. */
fn fold(sum: vec4f, m: mat4x4f, x: vec4f) -> vec4f {
  let half = fma(m[1], vec4f(x.y), fma(m[0], vec4f(x.x), sum));
  return fma(m[3], vec4f(x.w), fma(m[2], vec4f(x.z), half));
}

/** sums + four rows x [4, 4] · m [4, 4]. */
fn product(sums: mat4x4f, m: mat4x4f, x: mat4x4f) -> mat4x4f {
  return mat4x4f(
    fold(sums[0], m, x[0]),
    fold(sums[1], m, x[1]),
    fold(sums[2], m, x[2]),
    fold(sums[3], m, x[3]),
  );
}

fn scaled_rows(m: mat4x4f, by: vec4f) -> mat4x4f {
  return mat4x4f(m[0] * by.x, m[1] * by.y, m[2] * by.z, m[3] * by.w);
}

fn powers_of_rows(m: mat4x4f, most: vec4f) -> mat4x4f {
  return mat4x4f(
    exp2(m[0] - most.x),
    exp2(m[1] - most.y),
    exp2(m[2] - most.z),
    exp2(m[3] - most.w),
  );
}

fn most_of_rows(m: mat4x4f) -> vec4f {
  return vec4f(most_of(m[0]), most_of(m[1]), most_of(m[2]), most_of(m[3]));
}

fn sums_of_rows(m: mat4x4f) -> vec4f {
  return vec4f(sum_of(m[0]), sum_of(m[1]), sum_of(m[2]), sum_of(m[3]));
}

fn most_of(x: vec4f) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

fn sum_of(x: vec4f) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

/** Rows where a column's number is at most the row's, LOWEST elsewhere. */
fn rows_up_to(m: mat4x4f, columns: vec4u, last: vec4u) -> mat4x4f {
  let lowest = vec4f(LOWEST);
  return mat4x4f(
    select(lowest, m[0], columns <= vec4u(last.x)),
    select(lowest, m[1], columns <= vec4u(last.y)),
    select(lowest, m[2], columns <= vec4u(last.z)),
    select(lowest, m[3], columns <= vec4u(last.w)),
  );
}

/** The tile times a number for each row. */
fn scaled(t: Tile, by: Rows) -> Tile {
  return Tile(
    scaled_rows(t.lo0, by.lo),
    scaled_rows(t.hi0, by.hi),
    scaled_rows(t.lo1, by.lo),
    scaled_rows(t.hi1, by.hi),
  );
}

/** The sum of two tiles. */
fn total(a: Tile, b: Tile) -> Tile {
  return Tile(a.lo0 + b.lo0, a.hi0 + b.hi0, a.lo1 + b.lo1, a.hi1 + b.hi1);
}

/** exp2(the tile's numbers − the row's). */
fn powers(t: Tile, most: Rows) -> Tile {
  var p: Tile;
  p.lo0 = powers_of_rows(t.lo0, most.lo);
  p.hi0 = powers_of_rows(t.hi0, most.hi);
  if (GROUPS == 2) {
    p.lo1 = powers_of_rows(t.lo1, most.lo);
    p.hi1 = powers_of_rows(t.hi1, most.hi);
  }
  return p;
}

/** The largest number of each row. */
fn most_by_row(t: Tile) -> Rows {
  let first = Rows(most_of_rows(t.lo0), most_of_rows(t.hi0));
  if (GROUPS == 1) { return first; }
  return larger(first, Rows(most_of_rows(t.lo1), most_of_rows(t.hi1)));
}

/** The sum of each row. */
fn sum_by_row(t: Tile) -> Rows {
  let first = Rows(sums_of_rows(t.lo0), sums_of_rows(t.hi0));
  if (GROUPS == 1) { return first; }
  return added(first, Rows(sums_of_rows(t.lo1), sums_of_rows(t.hi1)));
}

/** The tile where a column's number is at most the row's, LOWEST elsewhere. */
fn up_to(t: Tile, columns0: vec4u, columns1: vec4u, last_lo: vec4u, last_hi: vec4u) -> Tile {
  var shown: Tile;
  shown.lo0 = rows_up_to(t.lo0, columns0, last_lo);
  shown.hi0 = rows_up_to(t.hi0, columns0, last_hi);
  if (GROUPS == 2) {
    shown.lo1 = rows_up_to(t.lo1, columns1, last_lo);
    shown.hi1 = rows_up_to(t.hi1, columns1, last_hi);
  }
  return shown;
}

fn larger(a: Rows, b: Rows) -> Rows {
  return Rows(max(a.lo, b.lo), max(a.hi, b.hi));
}

fn added(a: Rows, b: Rows) -> Rows {
  return Rows(a.lo + b.lo, a.hi + b.hi);
}

fn times(a: Rows, b: Rows) -> Rows {
  return Rows(a.lo * b.lo, a.hi * b.hi);
}

fn divided(a: Rows, b: Rows) -> Rows {
  return Rows(a.lo / b.lo, a.hi / b.hi);
}

/** exp2(a − b). */
fn power(a: Rows, b: Rows) -> Rows {
  return Rows(exp2(a.lo - b.lo), exp2(a.hi - b.hi));
}

/** Where the condition holds `yes`, else `no`. */
fn chosen(no: Rows, yes: Rows, condition: bool) -> Rows {
  return Rows(select(no.lo, yes.lo, condition), select(no.hi, yes.hi, condition));
}
