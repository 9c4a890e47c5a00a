// Four numbers at once: all tensors begin at a multiple of four, and their rows are such long.

const WIDE = 4u;
alias Number = vec4f;

fn sum_of(x: Number) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

fn largest_of(x: Number) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

// 1 at place i, 0 elsewhere.
fn unit(i: u32) -> Number {
  return select(vec4f(0.0), vec4f(1.0), vec4u(i) == vec4u(0, 1, 2, 3));
}

// Of four pairs that lie one behind the other: the first numbers, and the second.
fn firsts(a: Number, b: Number) -> Number {
  return vec4f(a.xz, b.xz);
}

fn seconds(a: Number, b: Number) -> Number {
  return vec4f(a.yw, b.yw);
}
