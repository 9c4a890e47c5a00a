// dX f32 [N, G, D] += the gradients of the list places that name an entry: dList f32 [B, n, G, D],
// index i32 [B, n]; dX and dList of keys and of values. One workgroup an entry, the places in order.

struct Params {
  index_at: u32,
  d_key_list_at: u32,
  d_value_list_at: u32,
  d_keys_at: u32,
  d_values_at: u32,
  places: u32,
  width: u32,
  N: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read> d_key_list: array<f32>;
@group(0) @binding(3) var<storage, read> d_value_list: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_keys: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_values: array<f32>;

const LANES = 128u;
const WORDS = LANES / 32;

/// A bit for each of 128 places: whether it names the entry. Any order of setting them is right.
var<workgroup> named: array<atomic<u32>, WORDS>;

@compute @workgroup_size(128)
fn landmark_attention_backward_pool(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let entry = group.x + group.y * groups.x;
  for (var column = 0u; column < params.width; column += LANES) {
    let c = column + lane;
    var dk = 0.0;
    var dv = 0.0;
    for (var first = 0u; first < params.places; first += LANES) {
      workgroupBarrier();
      if (lane < WORDS) { atomicStore(&named[lane], 0); }
      workgroupBarrier();
      let place = first + lane;
      if (place < params.places) {
        if (index[params.index_at + place] == i32(entry)) {
          atomicOr(&named[lane / 32], 1u << (lane % 32));
        }
      }
      workgroupBarrier();
      for (var word = 0u; word < WORDS; word++) {
        var bits = atomicLoad(&named[word]);
        while (bits != 0 && c < params.width) {
          let at = (first + word * 32 + countTrailingZeros(bits)) * params.width + c;
          dk += d_key_list[params.d_key_list_at + at];
          dv += d_value_list[params.d_value_list_at + at];
          bits &= bits - 1;
        }
      }
    }
    if (entry < params.N && c < params.width) {
      d_keys[params.d_keys_at + entry * params.width + c] += dk;
      d_values[params.d_values_at + entry * params.width + c] += dv;
    }
  }
}
