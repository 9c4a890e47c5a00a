// How threads of a row share numbers where there are no subgroups: through the tile of queries and
// keys, which nobody needs once scores are there. Each function has barriers on both sides.

fn put(what: u32, x: Rows, at: Place) {
  tiles[what][0][at.half][at.row][at.column ^ at.row] = x.lo;
  tiles[what][1][at.half][at.row][at.column ^ at.row] = x.hi;
}

/** What thread `lane` of the same row has put. */
fn taken(what: u32, lane: u32, row: u32) -> Rows {
  return Rows(
    tiles[what][0][lane / 8][row][(lane % 8) ^ row],
    tiles[what][1][lane / 8][row][(lane % 8) ^ row],
  );
}

fn most_put(what: u32, first: u32, count: u32, at: Place) -> Rows {
  var most = taken(what, first, at.row);
  for (var i = 1u; i < count; i++) { most = larger(most, taken(what, first + i, at.row)); }
  return most;
}

/** The largest number of each row. */
fn most_of_all(x: Rows, at: Place) -> Rows {
  workgroupBarrier();
  put(0, x, at);
  workgroupBarrier();
  return most_put(0, 0, LANES, at);
}

/** The sum of each row over as many threads side by side; their number is a power of two. */
fn sum_of_block(x: Rows, count: u32, at: Place) -> Rows {
  workgroupBarrier();
  put(0, x, at);
  workgroupBarrier();
  let first = at.lane / count * count;
  var sum = taken(0, first, at.row);
  for (var i = 1u; i < count; i++) { sum = added(sum, taken(0, first + i, at.row)); }
  return sum;
}

/** The largest numbers of both, in a block of threads or in the whole row. */
fn most_of_both(inner: Rows, top: Rows, at: Place) -> Most {
  workgroupBarrier();
  put(0, inner, at);
  put(1, top, at);
  workgroupBarrier();
  let first = at.lane / BLOCK_LANES * BLOCK_LANES;
  return Most(
    most_put(0, first, BLOCK_LANES, at),
    most_put(1, first, BLOCK_LANES, at),
    most_put(1, 0, LANES, at),
  );
}
