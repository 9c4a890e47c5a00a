// One number at once, of tensors that begin anywhere.

const WIDE = 1u;
alias Number = f32;

fn sum_of(x: Number) -> f32 {
  return x;
}

fn largest_of(x: Number) -> f32 {
  return x;
}

// 1 at place i, which is 0.
fn unit(i: u32) -> Number {
  return 1.0;
}

// Of a pair: the first number, and the second.
fn firsts(a: Number, b: Number) -> Number {
  return a;
}

fn seconds(a: Number, b: Number) -> Number {
  return b;
}
