// segment [·, 2, M, D] at entries [n] = pieces [n, 2, M, D], for the entries in one pool segment
//
// FROM_HALF and TO_HALF are 1 where pieces and the segment hold halves. One thread for two numbers
// of a piece; pieces lie along y (and z).

struct Params {
  pieces_at: u32,
  entries_at: u32,
  segment_at: u32,
  n: u32,
  pairs: u32, // M · D, of each piece
  first: u32, // the segment's first entry
  count: u32, // and how many it has
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pieces: array<u32>;
@group(0) @binding(2) var<storage, read> entries: array<i32>;
@group(0) @binding(3) var<storage, read_write> segment: array<u32>;

@compute @workgroup_size(64)
fn load_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pair = group.x * 64 + lane;
  let i = group.y + group.z * groups.y;
  if (pair >= params.pairs || i >= params.n) {
    return;
  }
  let entry = u32(entries[params.entries_at + i]) - params.first;
  if (entry >= params.count) {
    return;
  }
  let source = i * params.pairs + pair;
  let place = entry * params.pairs + pair;
  if (FROM_HALF == 1 && TO_HALF == 1) {
    segment[params.segment_at / 2 + place] = pieces[params.pieces_at / 2 + source];
    return;
  }
  var numbers: vec2f;
  if (FROM_HALF == 1) {
    numbers = unpack2x16float(pieces[params.pieces_at / 2 + source]);
  } else {
    let at = params.pieces_at + 2 * source;
    numbers = vec2f(bitcast<f32>(pieces[at]), bitcast<f32>(pieces[at + 1]));
  }
  if (TO_HALF == 1) {
    segment[params.segment_at / 2 + place] = to_halves(numbers.x, numbers.y);
  } else {
    let at = params.segment_at + 2 * place;
    segment[at] = bitcast<u32>(numbers.x);
    segment[at + 1] = bitcast<u32>(numbers.y);
  }
}
