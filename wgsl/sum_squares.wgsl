// sums [Z] = Σ x² over each stretch of x [n], or += it where ADDS is 1; `add_rows` adds them up

const THREADS = 256u;
const LANES = 256u;

struct Params {
  x_at: u32,
  sums_at: u32,
  n: u32,
  stretch: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

fn combine(a: vec2f, b: vec2f) -> vec2f {
  return a + b;
}

@compute @workgroup_size(THREADS)
fn sum_squares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = group.x * params.stretch;
  let end = min(params.n, first + params.stretch) / WIDE;
  var squares = Number();
  for (var i = first / WIDE + thread; i < end; i += THREADS) {
    let number = x[params.x_at / WIDE + i];
    squares += number * number;
  }
  let sum = combine_lanes(thread, vec2f(sum_of(squares), 0.0)).x;
  if (thread == 0) {
    let at = params.sums_at + group.x;
    sums[at] = sum + select(0.0, sums[at], ADDS == 1);
  }
}
