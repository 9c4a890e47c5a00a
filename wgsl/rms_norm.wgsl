// out [T, C] = x [T, C] / √(mean(x²) + epsilon) · weight [C]
//
// LANES threads a row, THREADS / LANES rows a workgroup; ROW is C / WIDE. In front:
// combine_lanes.wgsl.

const ROWS = THREADS / LANES;
const STEPS = (ROW + LANES - 1) / LANES;

struct Params {
  x_at: u32,
  weight_at: u32,
  out_at: u32,
  rows: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read> weight: array<Number>;
@group(0) @binding(3) var<storage, read_write> out: array<Number>;

fn combine(a: vec2f, b: vec2f) -> vec2f {
  return a + b;
}

@compute @workgroup_size(THREADS)
fn rms_norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = (group.x + group.y * groups.x) * ROWS + thread / LANES;
  let lane = thread % LANES;
  let within = row < params.rows;
  var numbers: array<Number, STEPS>;
  var squares = Number();
  for (var i = 0u; i < STEPS; i++) {
    let c = i * LANES + lane;
    if (within && c < ROW) {
      numbers[i] = x[params.x_at / WIDE + row * ROW + c];
      squares += numbers[i] * numbers[i];
    }
  }
  let sum = combine_lanes(thread, vec2f(sum_of(squares), 0.0)).x;
  let inverse = inverseSqrt(sum / f32(ROW * WIDE) + params.epsilon);
  for (var i = 0u; i < STEPS; i++) {
    let c = i * LANES + lane;
    if (within && c < ROW) {
      let scaled = numbers[i] * inverse * weight[params.weight_at / WIDE + c];
      out[params.out_at / WIDE + row * ROW + c] = scaled;
    }
  }
}
