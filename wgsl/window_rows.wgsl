// Rows of q, k, v and distances in attention over a window, and who sees whom: query t stands at key
// i = S − T + t and sees the keys max(absent, i − window + 1) … i.

/// Of query t of head h.
fn query_row(b: u32, t: u32, h: u32) -> u32 {
  if (t >= params.T) { return NO_ROW; }
  return (b * params.T + t) * params.H + h;
}

/// Of key or value j; one in front of all keys is far behind them.
fn key_row(b: u32, j: u32, g: u32) -> u32 {
  if (j >= params.S) { return NO_ROW; }
  return (b * params.S + j) * params.G + g;
}

/// Of a distance: the last one stands for all further ones, and nobody is less than 0 away.
fn distance_row(distance: i32, h: u32) -> u32 {
  if (distance < 0) { return NO_ROW; }
  return min(u32(distance), params.P - 1) * params.H + h;
}

/// The key that a query stands at.
fn key_of(t: u32) -> u32 {
  return params.S - params.T + t;
}

/// The first key that a query could see.
fn first_seen(t: u32) -> u32 {
  let end = key_of(t) + 1;
  return max(params.absent, end - min(params.window, end));
}

/// Which of four keys a query sees.
fn sees(t: u32, keys: vec4i) -> vec4<bool> {
  if (t >= params.T) { return vec4<bool>(); }
  return (keys >= vec4i(i32(first_seen(t)))) & (keys <= vec4i(i32(key_of(t))));
}
