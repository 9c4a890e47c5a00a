// What all kernels of Infini-attention know: segments, i32 [B, S, 3], and features.

/// First token, end token, and how it begins.
struct Segment {
  first: u32,
  end: u32,
  from_initial: bool,
  reads: bool,
}

fn segment_at(b: u32, s: u32) -> Segment {
  let at = params.segments_at + (b * params.S + s) * 3;
  let first = u32(max(segments[at], 0));
  let end = u32(max(segments[at + 1], 0));
  let kind = segments[at + 2];
  return Segment(min(first, params.T), min(end, params.T), (kind & 1) != 0, (kind & 2) == 0);
}

/// φ(x) = ELU(x) + 1.
fn features(x: vec4f) -> vec4f {
  return select(exp(min(x, vec4f())), x + 1.0, x > vec4f());
}

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-clamp(x, -80.0, 80.0)));
}
