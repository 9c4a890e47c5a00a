// dgate [n] += dout · up · (σ + gate · σ · (1 − σ)), dup [n] += dout · gate · σ, σ = sigmoid(gate);
// they become those, and nothing is added, where ACCUMULATE is 0

struct Params {
  gate_at: u32,
  up_at: u32,
  dout_at: u32,
  dgate_at: u32,
  dup_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate: array<Number>;
@group(0) @binding(2) var<storage, read> up: array<Number>;
@group(0) @binding(3) var<storage, read> dout: array<Number>;
@group(0) @binding(4) var<storage, read_write> dgate: array<Number>;
@group(0) @binding(5) var<storage, read_write> dup: array<Number>;

@compute @workgroup_size(256)
fn swi_glu_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < params.n / WIDE) {
    let x = gate[params.gate_at / WIDE + i];
    let d = dout[params.dout_at / WIDE + i];
    let share = 1.0 / (1.0 + exp(min(-x, Number(80.0)))); // as in swi_glu
    let slope = share + x * share * (1.0 - share);
    var to_gate = d * up[params.up_at / WIDE + i] * slope;
    var to_up = d * x * share;
    if (ACCUMULATE == 1) {
      to_gate += dgate[params.dgate_at / WIDE + i];
      to_up += dup[params.dup_at / WIDE + i];
    }
    dgate[params.dgate_at / WIDE + i] = to_gate;
    dup[params.dup_at / WIDE + i] = to_up;
  }
}
