// How threads of a row share numbers by subgroup operations: the LANES threads of a row lie side by
// side in one subgroup. The order of sums is that of a tree, the same for every thread.

fn larger_across(x: Rows, step: u32) -> Rows {
  return larger(x, Rows(subgroupShuffleXor(x.lo, step), subgroupShuffleXor(x.hi, step)));
}

/** The largest number of each row. */
fn most_of_all(x: Rows, at: Place) -> Rows {
  var most = x;
  for (var step = 1u; step < LANES; step *= 2) { most = larger_across(most, step); }
  return most;
}

/** The sum of each row over as many threads side by side; their number is a power of two. */
fn sum_of_block(x: Rows, count: u32, at: Place) -> Rows {
  var sum = x;
  for (var step = 1u; step < count; step *= 2) {
    let other = Rows(subgroupShuffleXor(sum.lo, step), subgroupShuffleXor(sum.hi, step));
    sum = added(sum, other);
  }
  return sum;
}

/** The largest numbers of both, in a block of threads or in the whole row. */
fn most_of_both(inner: Rows, top: Rows, at: Place) -> Most {
  var most = Most(inner, top, top);
  for (var step = 1u; step < BLOCK_LANES; step *= 2) {
    most.inner = larger_across(most.inner, step);
    most.gate = larger_across(most.gate, step);
  }
  most.top = most.gate;
  for (var step = BLOCK_LANES; step < LANES; step *= 2) {
    most.top = larger_across(most.top, step);
  }
  return most;
}
