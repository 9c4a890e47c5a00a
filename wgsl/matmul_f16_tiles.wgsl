// Tiles of a f16 [m, k] and b f16 [k, n] or [n, k] in workgroup memory: how they get there
//
// 128 threads fill a tile of 128 rows or columns and 32 steps of k of each: in two halves, so that
// what is read from memory is on its way while another tile is multiplied.

const TILE = 128u;
const TILE_K = 32u;
// Rows of a tile are longer than they need be by 8, which turns the banks.
const LONG = TILE_K + 8;
const WIDE = TILE + 8;
const A_SIZE = TILE * LONG;
const B_SIZE = select(TILE_K * WIDE, TILE * LONG, TRANSPOSE_B == 1);

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  m: u32,
  n: u32,
  k: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Eight numbers an element.
@group(0) @binding(1) var<storage, read> a: array<vec4u>;
@group(0) @binding(2) var<storage, read> b: array<vec4u>;

// [row][k], and of b [column][k] if it is transposed, else [k][column].
var<workgroup> a_tiles: array<f16, STAGES * A_SIZE>;
var<workgroup> b_tiles: array<f16, STAGES * B_SIZE>;

var<private> a_0: vec4u;
var<private> a_1: vec4u;
var<private> a_2: vec4u;
var<private> a_3: vec4u;
var<private> b_0: vec4u;
var<private> b_1: vec4u;
var<private> b_2: vec4u;
var<private> b_3: vec4u;

// Where a thread reads, in eights, and where it puts what it read.
struct Fetch {
  a_at: u32,
  a_step: u32,
  b_at: u32,
  b_step: u32,
  // From one tile to the next.
  b_next: u32,
  a_place: u32,
  b_place: u32,
  // The first step of k of its eights in a tile; of b, each is `b_later` behind the one before.
  a_k: u32,
  b_k: u32,
  b_later: u32,
}

fn fetch_of(lane: u32, group: vec3u) -> Fetch {
  var f: Fetch;
  // Four neighbours read a row's 32 steps of k; 32 rows at once.
  let long_row = lane / 4;
  let long_k = 8 * (lane % 4);
  let eights = params.k / 8;
  f.a_at = params.a_at / 8 + (group.y * TILE + long_row) * eights + lane % 4;
  f.a_step = 32 * eights;
  f.a_place = long_row * LONG + long_k;
  f.a_k = long_k;
  if (TRANSPOSE_B == 1) {
    f.b_at = params.b_at / 8 + (group.x * TILE + long_row) * eights + lane % 4;
    f.b_step = 32 * eights;
    f.b_next = TILE_K / 8;
    f.b_place = f.a_place;
    f.b_k = long_k;
    f.b_later = 0;
  } else {
    // Sixteen neighbours read a row's 128 columns; eight rows at once.
    f.b_at = params.b_at / 8 + lane / 16 * (params.n / 8) + group.x * (TILE / 8) + lane % 16;
    f.b_step = params.n;
    f.b_next = TILE_K / 8 * params.n;
    f.b_place = lane / 16 * WIDE + 8 * (lane % 16);
    f.b_k = lane / 16;
    f.b_later = 8;
  }
  return f;
}

// Begins to read a tile of each; what lies past the edges goes to sums that are not written.
fn fetch(f: Fetch, tile: u32) {
  let a_at = f.a_at + tile * (TILE_K / 8);
  let b_at = f.b_at + tile * f.b_next;
  a_0 = a[a_at];
  a_1 = a[a_at + f.a_step];
  a_2 = a[a_at + 2 * f.a_step];
  a_3 = a[a_at + 3 * f.a_step];
  b_0 = b[b_at];
  b_1 = b[b_at + f.b_step];
  b_2 = b[b_at + 2 * f.b_step];
  b_3 = b[b_at + 3 * f.b_step];
}

// Puts eight numbers into place. The bound is the array's, said once for all eight.
fn place_a(place: u32, eight: vec4u) {
  let at = min(place, STAGES * A_SIZE - 8);
  let low = bitcast<vec4h>(eight.xy);
  let high = bitcast<vec4h>(eight.zw);
  a_tiles[at] = low.x;
  a_tiles[at + 1] = low.y;
  a_tiles[at + 2] = low.z;
  a_tiles[at + 3] = low.w;
  a_tiles[at + 4] = high.x;
  a_tiles[at + 5] = high.y;
  a_tiles[at + 6] = high.z;
  a_tiles[at + 7] = high.w;
}

fn place_b(place: u32, eight: vec4u) {
  let at = min(place, STAGES * B_SIZE - 8);
  let low = bitcast<vec4h>(eight.xy);
  let high = bitcast<vec4h>(eight.zw);
  b_tiles[at] = low.x;
  b_tiles[at + 1] = low.y;
  b_tiles[at + 2] = low.z;
  b_tiles[at + 3] = low.w;
  b_tiles[at + 4] = high.x;
  b_tiles[at + 5] = high.y;
  b_tiles[at + 6] = high.z;
  b_tiles[at + 7] = high.w;
}

// Puts what was read into the tiles; `left` steps of k are, the others become zero.
fn place(f: Fetch, stage: u32, left: u32) {
  if (left < TILE_K) {
    if (f.a_k >= left) {
      a_0 = vec4u();
      a_1 = vec4u();
      a_2 = vec4u();
      a_3 = vec4u();
    }
    if (f.b_k >= left) { b_0 = vec4u(); }
    if (f.b_k + f.b_later >= left) { b_1 = vec4u(); }
    if (f.b_k + 2 * f.b_later >= left) { b_2 = vec4u(); }
    if (f.b_k + 3 * f.b_later >= left) { b_3 = vec4u(); }
  }
  let a_place = stage * A_SIZE + f.a_place;
  place_a(a_place, a_0);
  place_a(a_place + 32 * LONG, a_1);
  place_a(a_place + 64 * LONG, a_2);
  place_a(a_place + 96 * LONG, a_3);
  let b_place = stage * B_SIZE + f.b_place;
  let rows = select(8 * WIDE, 32 * LONG, TRANSPOSE_B == 1);
  place_b(b_place, b_0);
  place_b(b_place + rows, b_1);
  place_b(b_place + 2 * rows, b_2);
  place_b(b_place + 3 * rows, b_3);
}
