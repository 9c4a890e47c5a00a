// Which workgroup does what in the gradients of landmark attention, and where rows of q and d_out lie.

/// A workgroup's tile, and its head, of which there may be several columns of D. Workgroups start in
/// the order of x: heads are there if HEADS_FIRST is 1, so that long walks begin in all of them.
struct Unit {
  tile: u32,
  head: u32,
}

fn unit_of(group: vec2u) -> Unit {
  if (HEADS_FIRST == 1) { return Unit(group.y, group.x); }
  return Unit(group.x, group.y);
}

/// Of query t of head h, counted from params.t_first.
fn query_row(b: u32, t: u32, h: u32) -> u32 {
  if (t >= params.t_count) { return NO_ROW; }
  return (b * params.T + params.t_first + t) * params.H + h;
}
