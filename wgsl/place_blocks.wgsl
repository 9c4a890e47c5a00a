// entries, slots [R, H, k] of chosen [R, C, k]: order[chosen] · pieces + piece, and the slot by time

struct Params {
  chosen_at: u32,
  order_at: u32,
  entries_at: u32,
  slots_at: u32,
  count: u32, // R · H · k
  heads: u32, // H
  chosen_heads: u32, // C: H, or 1
  k: u32,
  blocks: u32, // n
  first_piece: u32, // layer · G
  sharing: u32, // H / G
  pieces: u32,
  top_blocks: u32, // K
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> chosen: array<i32>;
@group(0) @binding(2) var<storage, read> order: array<i32>;
@group(0) @binding(3) var<storage, read_write> entries: array<i32>;
@group(0) @binding(4) var<storage, read_write> slots: array<i32>;

@compute @workgroup_size(64)
fn place_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64 + lane;
  if (i >= params.count) {
    return;
  }
  let r = i % params.k;
  let h = i / params.k % params.heads;
  let row = i / params.k / params.heads;
  let chosen_row = row * params.chosen_heads + select(0u, h, params.chosen_heads > 1);
  let place = u32(chosen[params.chosen_at + chosen_row * params.k + r]);
  let piece = params.first_piece + h / params.sharing;
  let slot = u32(order[params.order_at + place]);
  entries[params.entries_at + i] = i32(slot * params.pieces + piece);
  let is_last = place + params.k >= params.blocks;
  slots[params.slots_at + i] = i32(r + params.top_blocks - params.k + u32(is_last));
}
