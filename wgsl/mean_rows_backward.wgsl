// dx [R, X] += Σ of dout [n, X] at i / count over windows first[i] … first[i] + count − 1 that hold the row
//
// One workgroup a row of dx, so that windows may overlap: it looks through all of them, 256 at a
// time, and adds those that hold its row in their order. ROW is X / WIDE.

struct Params {
  dout_at: u32,
  first_at: u32,
  dx_at: u32,
  rows: u32, // R
  n: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dout: array<Number>;
@group(0) @binding(2) var<storage, read> first: array<i32>;
@group(0) @binding(3) var<storage, read_write> dx: array<Number>;

// A bit for each of 256 windows. Bits are set in any order: the word is the same.
var<workgroup> holding: array<atomic<u32>, 8>;

@compute @workgroup_size(64)
fn mean_rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  for (var start = 0u; start < params.n; start += 256) {
    workgroupBarrier();
    if (lane < 8) {
      atomicStore(&holding[lane], 0);
    }
    workgroupBarrier();
    for (var i = lane; i < min(256, params.n - start); i += 64) {
      let inside = i32(row) - first[params.first_at + start + i];
      if (inside >= 0 && inside < i32(params.count)) {
        atomicOr(&holding[i / 32], 1u << (i % 32));
      }
    }
    workgroupBarrier();
    if (row < params.rows) {
      add_windows(row, start, lane);
    }
  }
}

fn add_windows(row: u32, start: u32, lane: u32) {
  for (var word = 0u; word < 8; word++) {
    let windows = atomicLoad(&holding[word]);
    if (windows == 0) {
      continue;
    }
    for (var c = lane; c < ROW; c += 64) {
      var sum = Number();
      for (var left = windows; left != 0; left &= left - 1) {
        let i = start + word * 32 + countTrailingZeros(left);
        sum += dout[params.dout_at / WIDE + i * ROW + c];
      }
      dx[params.dx_at / WIDE + row * ROW + c] += sum / f32(params.count);
    }
  }
}
