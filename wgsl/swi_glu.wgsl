// out [n] = silu(gate [n]) · up [n], silu(x) = x / (1 + exp(−x))

struct Params {
  gate_at: u32,
  up_at: u32,
  out_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate: array<Number>;
@group(0) @binding(2) var<storage, read> up: array<Number>;
@group(0) @binding(3) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(256)
fn swi_glu(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < params.n / WIDE) {
    let x = gate[params.gate_at / WIDE + i];
    // Past 80 the quotient is zero for all purposes; exp would go on to infinity.
    let share = 1.0 / (1.0 + exp(min(-x, Number(80.0))));
    out[params.out_at / WIDE + i] = x * share * up[params.up_at / WIDE + i];
  }
}
