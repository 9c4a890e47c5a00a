// Lanes of a row lie side by side in one subgroup, and add by subgroup operations.

// The sums over the LANES threads of a row, a power of two, for each of them.
fn across(own: vec4f, thread: u32) -> vec4f {
  var sum = own;
  if (LANES > 1) { sum += subgroupShuffleXor(sum, 1u); }
  if (LANES > 2) { sum += subgroupShuffleXor(sum, 2u); }
  if (LANES > 4) { sum += subgroupShuffleXor(sum, 4u); }
  if (LANES > 8) { sum += subgroupShuffleXor(sum, 8u); }
  if (LANES > 16) { sum += subgroupShuffleXor(sum, 16u); }
  return sum;
}
