// memory + remainder f32 [count] += the sums of all parts, f32 [parts, count]. What the sum of memory
// and these rounds off is kept in the remainder (Knuth's two-sum), and carried over once it counts
// (Dekker's). Compilers take (a + b) − a for b: `hold` keeps them from it.

struct Params {
  sums_at: u32,
  memory_at: u32,
  remainder_at: u32,
  count: u32,
  parts: u32,
  zero: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> memory: array<f32>;
@group(0) @binding(3) var<storage, read_write> remainder: array<f32>;

/// x, of which no compiler knows how it was made.
fn hold(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) ^ params.zero);
}

@compute @workgroup_size(64)
fn infini_write(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64 + lane;
  if (i >= params.count) { return; }
  var added = 0.0;
  for (var part = 0u; part < params.parts; part++) {
    added += sums[params.sums_at + part * params.count + i];
  }
  let a = memory[params.memory_at + i];
  let sum = hold(a + added);
  let of_added = hold(sum - a);
  let lost = (a - hold(sum - of_added)) + (added - of_added);
  let rest = hold(remainder[params.remainder_at + i] + lost);
  let whole = hold(sum + rest);
  memory[params.memory_at + i] = whole;
  remainder[params.remainder_at + i] = rest - hold(whole - sum);
}
