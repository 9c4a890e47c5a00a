// Where rows of q and d_out lie in the gradients of landmark attention.

/// Of query t of head h, counted from params.t_first.
fn query_row(b: u32, t: u32, h: u32) -> u32 {
  if (t >= params.t_count) { return NO_ROW; }
  return (b * params.T + params.t_first + t) * params.H + h;
}
