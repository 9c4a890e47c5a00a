// out [m, n] = a [m, k] · transposed b [n, k], where m is at most ROWS: 1, 2, 4 or 8
//
// As fast as b can be read: a workgroup holds 128 steps of k of eight rows of b in its memory, and
// reads the next ones meanwhile. A thread sums one number along k from the first step to the last,
// as matmul does, to the same bits.

const THREADS = 64u;
const CHUNK = 128u;
const QUADS = CHUNK / 4;
const COLUMNS = 8u;

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  m: u32,
  n: u32,
  k: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// [row][k / 4]; the last four are a gap that turns the banks.
var<workgroup> a_rows: array<array<vec4f, QUADS + 1>, ROWS>;
var<workgroup> b_rows: array<array<vec4f, QUADS + 1>, COLUMNS>;

var<private> a_0: vec4f;
var<private> a_1: vec4f;
var<private> a_2: vec4f;
var<private> a_3: vec4f;
var<private> b_0: vec4f;
var<private> b_1: vec4f;
var<private> b_2: vec4f;
var<private> b_3: vec4f;

// Begins to read four numbers of each second row; rows past the edges are not used.
fn fetch(a_at: u32, b_at: u32, half: u32) {
  let two = 2 * params.k;
  b_0 = b_four(b_at);
  b_1 = b_four(b_at + two);
  b_2 = b_four(b_at + 2 * two);
  b_3 = b_four(b_at + 3 * two);
  if (half < ROWS) { a_0 = a_four(a_at); }
  if (ROWS > 2) { a_1 = a_four(a_at + two); }
  if (ROWS > 4) {
    a_2 = a_four(a_at + 2 * two);
    a_3 = a_four(a_at + 3 * two);
  }
}

// The first `left` numbers; the others become zero.
fn first(left: u32, four: vec4f) -> vec4f {
  return select(vec4f(), four, vec4u(0, 1, 2, 3) < vec4u(left));
}

// Puts what was read into place; `left` numbers of each four are.
fn place(half: u32, quad: u32, left: u32) {
  b_rows[half][quad] = first(left, b_0);
  b_rows[half + 2][quad] = first(left, b_1);
  b_rows[half + 4][quad] = first(left, b_2);
  b_rows[half + 6][quad] = first(left, b_3);
  if (half < ROWS) { a_rows[half][quad] = first(left, a_0); }
  if (ROWS > 2) { a_rows[half + 2][quad] = first(left, a_1); }
  if (ROWS > 4) {
    a_rows[half + 4][quad] = first(left, a_2);
    a_rows[half + 6][quad] = first(left, a_3);
  }
}

// Sixteen steps of k.
fn steps(start: f32, row: u32, column: u32, quad: u32) -> f32 {
  let x_0 = a_rows[row][quad];
  let y_0 = b_rows[column][quad];
  let x_1 = a_rows[row][quad + 1];
  let y_1 = b_rows[column][quad + 1];
  let x_2 = a_rows[row][quad + 2];
  let y_2 = b_rows[column][quad + 2];
  let x_3 = a_rows[row][quad + 3];
  let y_3 = b_rows[column][quad + 3];
  let half_way = four_steps(x_1, y_1, four_steps(x_0, y_0, start));
  return four_steps(x_3, y_3, four_steps(x_2, y_2, half_way));
}

fn four_steps(x: vec4f, y: vec4f, start: f32) -> f32 {
  return fma(x.w, y.w, fma(x.z, y.z, fma(x.y, y.y, fma(x.x, y.x, start))));
}

@compute @workgroup_size(THREADS)
fn matmul_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let origin = (group.x + group.y * groups.x) * COLUMNS;
  let row = lane / COLUMNS;
  let column = lane % COLUMNS;
  let at = params.out_at + row * params.n + origin + column;
  let mine = row < params.m && origin + column < params.n;
  var sum = 0.0;
  if (ACCUMULATE == 1 && mine) { sum = out[at]; }

  let half = lane / QUADS;
  let quad = lane % QUADS;
  let a_at = params.a_at + half * params.k + 4 * quad;
  let b_at = params.b_at + (origin + half) * params.k + 4 * quad;
  fetch(a_at, b_at, half);
  for (var done = 0u; done < params.k; done += CHUNK) {
    let left = params.k - done;
    place(half, quad, left - min(left, 4 * quad));
    workgroupBarrier();
    if (left > CHUNK) { fetch(a_at + done + CHUNK, b_at + done + CHUNK, half); }
    if (row < ROWS) {
      sum = steps(sum, row, column, 0);
      sum = steps(sum, row, column, 4);
      sum = steps(sum, row, column, 8);
      sum = steps(sum, row, column, 12);
      sum = steps(sum, row, column, 16);
      sum = steps(sum, row, column, 20);
      sum = steps(sum, row, column, 24);
      sum = steps(sum, row, column, 28);
    }
    workgroupBarrier();
  }
  if (mine) { out[at] = sum; }
}
