// Where rows of q and d_out lie, for the gradients of landmark attention. A workgroup's x is its head,
// of which there may be several columns of D, and y its tile, so that long walks of all heads begin
// together.

/// Of query t of head h, counted from params.t_first.
fn query_row(b: u32, t: u32, h: u32) -> u32 {
  if (t >= params.t_count) { return NO_ROW; }
  return (b * params.T + params.t_first + t) * params.H + h;
}
