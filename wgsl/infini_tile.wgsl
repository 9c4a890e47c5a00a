// A tile of TOKENS tokens of one head, TOKENS a multiple of four. A lane has a column of a memory
// [D, D + 1]; the one behind the last value's has the normalizer's.

const QUADS = TOKENS / 4;
const COLUMNS = D + 1;
const SIZE = D * COLUMNS;

/// One column's numbers of all tokens.
alias Column = array<vec4f, QUADS>;

/// [step of a product][token / 4]
var<workgroup> tile: array<Column, COLUMNS>;

/// The tokens of a tile that are a segment's: first, end.
struct Range {
  first: u32,
  end: u32,
}

/// Which of four tokens from t on are in the range.
fn inside(range: Range, t: u32) -> vec4<bool> {
  let four = vec4u(t, t + 1, t + 2, t + 3);
  return (four >= vec4u(range.first)) & (four < vec4u(range.end));
}

/// Where four tokens' numbers lie, `row` apart from one token to the next; those outside of the
/// range have the first one's.
fn places(range: Range, t: u32, row: u32, head: u32) -> vec4u {
  let four = vec4u(t, t + 1, t + 2, t + 3);
  let within = clamp(four, vec4u(range.first), vec4u(range.end - 1));
  return head + within * row;
}
