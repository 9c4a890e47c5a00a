// out [C] += Σ over rows of x [R, C], in an order that R alone decides
//
// A workgroup takes COLUMNS of them; 256 / COLUMNS threads share the rows of a column.

const SHARES = 256 / COLUMNS;

struct Params {
  x_at: u32,
  out_at: u32,
  rows: u32,
  width: u32, // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn add_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let column = group.x * COLUMNS + thread % COLUMNS;
  var sum = 0.0;
  if (column < params.width) {
    for (var row = thread / COLUMNS; row < params.rows; row += SHARES) {
      sum += x[params.x_at + row * params.width + column];
    }
  }
  sums[thread] = sum;
  for (var half = SHARES / 2; half > 0; half /= 2) {
    workgroupBarrier();
    if (thread < half * COLUMNS) {
      sums[thread] += sums[thread + half * COLUMNS];
    }
  }
  if (thread < COLUMNS && column < params.width) {
    out[params.out_at + column] += sums[thread];
  }
}
