// Σ exp(x) over a row of logits, found in one pass as (m, s): s · exp(m), m the largest.
//
// In front: combine_lanes.wgsl; behind: a kernel that binds `logits`.

// Smaller than any logit; the difference of two such is still a number.
const NONE = -1.0e38;

fn combine(a: vec2f, b: vec2f) -> vec2f {
  let m = max(a.x, b.x);
  return vec2f(m, a.y * exp(a.x - m) + b.y * exp(b.x - m));
}

// Of the row of `length` Numbers that begins at `first`; each of its LANES threads gets it.
fn log_sum_exp(thread: u32, first: u32, length: u32) -> vec2f {
  var whole = vec2f(NONE, 0.0);
  for (var c = thread % LANES; c < length; c += LANES) {
    let x = logits[first + c];
    let m = max(whole.x, largest_of(x));
    whole = vec2f(m, whole.y * exp(whole.x - m) + sum_of(exp(x - m)));
  }
  return combine_lanes(thread, whole);
}
