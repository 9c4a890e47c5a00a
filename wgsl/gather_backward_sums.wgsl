// dx [R, X] at rows[i] += dout [n, X] at i, in the order of i, where one chunk holds all of a row
//
// A chunk is CHUNK places of order [n]; equal rows are neighbours there, a run. Of a run that goes
// on over a border of its chunk, the sum becomes edges [chunk, 0, X] if it began before the chunk,
// [chunk, 1, X] if in it: `gather_backward_edges` joins them. ROW is X / WIDE, SLICES are the
// workgroups of 64 columns that it takes. Dispatch: SLICES for each chunk.

struct Params {
  dout_at: u32,
  rows_at: u32,
  order_at: u32,
  dx_at: u32,
  edges_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dout: array<Number>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> order: array<i32>;
@group(0) @binding(4) var<storage, read_write> dx: array<Number>;
@group(0) @binding(5) var<storage, read_write> edges: array<Number>;

// So many numbers are asked for before the first is added.
const AHEAD = 8u;

var<workgroup> sources: array<u32, CHUNK>;
// Of the chunk's places, and of the one on either side; −1 where there is none.
var<workgroup> targets: array<i32, CHUNK + 2>;

@compute @workgroup_size(64)
fn gather_backward_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.x + group.y * groups.x;
  let chunk = index / SLICES;
  let column = index % SLICES * 64 + lane;
  if (lane < CHUNK + 2) {
    // The place before the first of all wraps around, past the end too.
    let place = chunk * CHUNK + lane - 1;
    var row = -1;
    if (place < params.n) {
      let source = u32(order[params.order_at + place]);
      row = rows[params.rows_at + source];
      if (lane > 0 && lane <= CHUNK) {
        sources[lane - 1] = source;
      }
    }
    targets[lane] = row;
  }
  workgroupBarrier();
  if (column >= ROW || chunk * CHUNK >= params.n) {
    return;
  }

  var sum = Number();
  var edge = chunk * 2 + select(1u, 0u, targets[0] == targets[1]);
  for (var k = 0u; k < CHUNK; k += AHEAD) {
    var ahead: array<Number, AHEAD>;
    for (var j = 0u; j < AHEAD; j++) {
      ahead[j] = dout[params.dout_at / WIDE + sources[k + j] * ROW + column];
    }
    for (var j = 0u; j < AHEAD; j++) {
      let row = targets[k + j + 1];
      sum += ahead[j];
      if (row < 0 || row == targets[k + j + 2]) {
        continue;
      }
      if (edge % 2 == 0) {
        edges[params.edges_at / WIDE + edge * ROW + column] = sum;
      } else {
        dx[params.dx_at / WIDE + u32(row) * ROW + column] += sum;
      }
      edge = chunk * 2 + 1;
      sum = Number();
    }
  }
  if (targets[CHUNK] >= 0 && targets[CHUNK] == targets[CHUNK + 1]) {
    edges[params.edges_at / WIDE + edge * ROW + column] = sum;
  }
}
