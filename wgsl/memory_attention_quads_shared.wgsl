// Lanes of a row add through workgroup memory.

var<workgroup> products: array<vec4f, THREADS>;

// The sums over the LANES threads of a row, a power of two, for each of them.
fn across(own: vec4f, thread: u32) -> vec4f {
  workgroupBarrier();
  products[thread] = own;
  workgroupBarrier();
  let first = thread / LANES * LANES;
  var sum = vec4f();
  for (var lane = 0u; lane < LANES; lane++) {
    sum += products[first + lane];
  }
  return sum;
}
