// out [n] = x [n], halves that may begin or end inside a word; one thread for each word of out

struct Params {
  x_at: u32,
  out_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

fn half_of(word: u32, odd: u32) -> u32 {
  return (word >> (16 * odd)) & 0xffff;
}

@compute @workgroup_size(64)
fn copy_halves(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = params.out_at / 2;
  let word = first + (group.x + group.y * groups.x) * 64 + lane;
  if (2 * word >= params.out_at + params.n) {
    return;
  }
  var halves = array<u32, 2>(half_of(out[word], 0), half_of(out[word], 1));
  for (var odd = 0u; odd < 2; odd++) {
    let i = 2 * word + odd;
    if (i >= params.out_at && i < params.out_at + params.n) {
      let source = params.x_at + i - params.out_at;
      halves[odd] = half_of(x[source / 2], source % 2);
    }
  }
  out[word] = halves[0] | (halves[1] << 16);
}
