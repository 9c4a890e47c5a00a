// The power of two that brings a tensor's largest number to 8 … 16, from the bits of that number; 1 if
// they are zero. So a tensor of small numbers, a gradient, fits into halves.
fn half_factor(most: u32) -> f32 {
  let exponent = clamp(most >> 23, 70, 190);
  return select(bitcast<f32>((257 - exponent) << 23), 1.0, most == 0);
}
