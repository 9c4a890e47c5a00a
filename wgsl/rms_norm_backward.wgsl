// dx [T, C] += r · (g − y · mean(g · y)), sums [Z, C] = Σ over a workgroup's rows of dout · y
//
// y = x · r, g = dout · weight, r = 1 / √(mean(x²) + epsilon); `add_rows` adds the sums to the
// weight's gradient. LANES threads a row; each of the THREADS / LANES teams of a workgroup takes
// `stretch` rows. ROW is C / WIDE. In front: combine_lanes.wgsl.

const TEAMS = THREADS / LANES;
const STEPS = (ROW + LANES - 1) / LANES;

struct Params {
  x_at: u32,
  weight_at: u32,
  dout_at: u32,
  dx_at: u32,
  sums_at: u32,
  rows: u32,
  stretch: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read> weight: array<Number>;
@group(0) @binding(3) var<storage, read> dout: array<Number>;
@group(0) @binding(4) var<storage, read_write> dx: array<Number>;
@group(0) @binding(5) var<storage, read_write> sums: array<Number>;

var<workgroup> of_teams: array<Number, THREADS>;

fn combine(a: vec2f, b: vec2f) -> vec2f {
  return a + b;
}

@compute @workgroup_size(THREADS)
fn rms_norm_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let lane = thread % LANES;
  let team = thread / LANES;
  var weights: array<Number, STEPS>;
  for (var i = 0u; i < STEPS; i++) {
    weights[i] = weight[params.weight_at / WIDE + min(i * LANES + lane, ROW - 1)];
  }

  var slopes: array<Number, STEPS>; // of the weight
  for (var step = 0u; step < params.stretch; step++) {
    // Teams take neighbouring rows, so that a workgroup reads memory in one piece.
    let row = (group.x * params.stretch + step) * TEAMS + team;
    var xs: array<Number, STEPS>;
    var douts: array<Number, STEPS>;
    var squares = Number();
    var products = Number();
    for (var i = 0u; i < STEPS; i++) {
      let c = i * LANES + lane;
      if (row < params.rows && c < ROW) {
        xs[i] = x[params.x_at / WIDE + row * ROW + c];
        douts[i] = dout[params.dout_at / WIDE + row * ROW + c];
        squares += xs[i] * xs[i];
        products += douts[i] * weights[i] * xs[i];
      }
    }
    let whole = combine_lanes(thread, vec2f(sum_of(squares), sum_of(products)));
    let inverse = inverseSqrt(whole.x / f32(ROW * WIDE) + params.epsilon);
    let mean = whole.y * inverse / f32(ROW * WIDE);
    for (var i = 0u; i < STEPS; i++) {
      let c = i * LANES + lane;
      if (row < params.rows && c < ROW) {
        let y = xs[i] * inverse;
        dx[params.dx_at / WIDE + row * ROW + c] += inverse * (douts[i] * weights[i] - y * mean);
        slopes[i] += douts[i] * y;
      }
    }
  }

  for (var i = 0u; i < STEPS; i++) {
    workgroupBarrier();
    of_teams[thread] = slopes[i];
    workgroupBarrier();
    let c = i * LANES + lane;
    if (team == 0 && c < ROW) {
      var sum = of_teams[lane];
      for (var t = 1u; t < TEAMS; t++) {
        sum += of_teams[t * LANES + lane];
      }
      sums[params.sums_at / WIDE + group.x * ROW + c] = sum;
    }
  }
}
