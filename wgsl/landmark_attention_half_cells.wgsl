// Sixteen numbers of a thread of the kernels of landmark attention for halves: a row's, by key
//
// The four columns of a matrix follow one another, so that it has key … key + 15.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

const LOWEST = -3.0e38; // stands for −∞

fn most_of(m: mat4x4f) -> f32 {
  let four = max(max(m[0], m[1]), max(m[2], m[3]));
  return max(max(four.x, four.y), max(four.z, four.w));
}

fn sum_of(m: mat4x4f) -> f32 {
  let four = (m[0] + m[1]) + (m[2] + m[3]);
  return (four.x + four.y) + (four.z + four.w);
}

// exp2(m + offset).
fn powers(m: mat4x4f, offset: f32) -> mat4x4f {
  return mat4x4f(
    exp2(m[0] + offset),
    exp2(m[1] + offset),
    exp2(m[2] + offset),
    exp2(m[3] + offset),
  );
}

// LOWEST but for keys of [first, end).
fn shown(m: mat4x4f, key: u32, first: u32, end: u32) -> mat4x4f {
  let keys = key + vec4u(0, 1, 2, 3);
  return mat4x4f(
    shown_four(m[0], keys, first, end),
    shown_four(m[1], keys + 4, first, end),
    shown_four(m[2], keys + 8, first, end),
    shown_four(m[3], keys + 12, first, end),
  );
}

fn shown_four(x: vec4f, keys: vec4u, first: u32, end: u32) -> vec4f {
  return select(vec4f(LOWEST), x, (keys >= vec4u(first)) & (keys < vec4u(end)));
}

fn with_last(m: mat4x4f, last: f32, is: bool) -> mat4x4f {
  return mat4x4f(m[0], m[1], m[2], vec4f(m[3].xyz, select(m[3].w, last, is)));
}

// w · (y − inner): a softmax's gradient.
fn slopes_of(w: mat4x4f, y: mat4x4f, inner: f32) -> mat4x4f {
  return mat4x4f(
    w[0] * (y[0] - inner),
    w[1] * (y[1] - inner),
    w[2] * (y[2] - inner),
    w[3] * (y[3] - inner),
  );
}
