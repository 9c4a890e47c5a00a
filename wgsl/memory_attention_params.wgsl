// What both kernels that make parts for memory_attention_join are told.

struct Params {
  queries_at: u32,
  q_at: u32,
  k_at: u32,
  v_at: u32,
  entries_at: u32,
  slots_at: u32,
  pool_at: u32,
  out_at: u32,
  tokens: u32, // T
  slots: u32, // Z
  heads: u32, // H
  kv_heads: u32, // G
  first_key: u32, // where the first query stands in the section
  chosen: u32, // k
  is_shared: u32, // 1: one choice for all tokens
  parts: u32, // I
  run_parts: u32, // how many of them this run makes
  block_size: u32, // M
  section_block: u32, // M'
  first_entry: u32, // of the pool segment
  entries: u32, // in the pool segment
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
