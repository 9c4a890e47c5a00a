// dQ summed up over tiles whose levels are all there: one outer product each.

struct Sums {
  dq: Tile,
  /// Of the columns behind, if WIDE is not 0.
  more: Tile,
}

fn add_tile(
  sums: Sums,
  work: Work,
  key: u32,
  keys: Keys,
  s: Tile,
  e: Tile,
  lane: u32,
  at: Place,
) -> Sums {
  let ds = back_rows(keys, work, at, s, e);
  // Levels may have been read from where the gradients go.
  workgroupBarrier();
  put_slopes(ds, at.x / 4, at);
  var next = sums;
  next.dq = add_keys(sums.dq, work, key, work.quad, lane, at);
  if (WIDE > 0) { next.more = add_keys(sums.more, work, key, work.quad + 16, lane, at); }
  return next;
}

fn put_sums(sums: Sums, work: Work, at: Place) {
  put_rows(work, work.quad, at, sums.dq);
  if (WIDE > 0) { put_rows(work, work.quad + 16, at, sums.more); }
}
