// What single queries make of single blocks: parts [T, H, I] of a mean f32 [D], and of a gate
//
// The mean is that of the block's values, weighted by the softmax over its regular tokens; the gate
// is the logit of its landmark, or for the query's own block the log-sum-exp of what it sees there:
// what memory_attention_join needs. Parts 0 … k - 1 are the chosen blocks, pool entries [2, M, D]
// whose keys meet queries[t, slot, h]; the others are blocks of a regular section k, v [S, G, D],
// M' tokens each, whose keys meet q[t, h]. A part behind the query has the gate −3e38.
//
// out f32: means [T, H, I, D], then gates [T, H, I]. Of the pool one segment is bound; entries
// elsewhere are left to other runs. HALF is 1 where the pool holds halves.
//
// One workgroup for each part, spread: 4 rows of 32 lanes. A lane takes pairs of numbers along D,
// so that neighbours read what lies side by side, and a row every fourth of 64 keys at a time.

const LANES = 32u;
const ROWS = 4u;
const THREADS = LANES * ROWS;
const KEYS = 64u; // at a time
const KEYS_EACH = KEYS / ROWS;
const PAIRS = (D + 1) / 2;
const EACH = (PAIRS + LANES - 1) / LANES; // pairs of a lane
const STRIDE = LANES + 1; // odd, so that rows begin in different banks
const LEAST = -3.0e38;

@group(0) @binding(1) var<storage, read> queries: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read> k: array<f32>;
@group(0) @binding(4) var<storage, read> v: array<f32>;
@group(0) @binding(5) var<storage, read> entries: array<i32>;
@group(0) @binding(6) var<storage, read> slots: array<i32>;
@group(0) @binding(7) var<storage, read> pool: array<u32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

// Sums of products, then sums of values.
var<workgroup> sums: array<f32, max(KEYS * STRIDE, ROWS * 2 * LANES * EACH)>;
var<workgroup> scores: array<vec4f, KEYS / 4>;
var<workgroup> weights: array<vec4f, KEYS / 4>;
var<workgroup> gate: f32;

// A block: where its keys and values begin, and how far apart they are.
struct Block {
  is_pooled: bool,
  keys_at: u32,
  values_at: u32,
  stride: u32,
  regular: u32, // tokens the query sees
  total: u32, // with the landmark behind them, if it has one
}

// Numbers i and i + 1 of the pool.
fn pooled(i: u32) -> vec2f {
  if (HALF == 0) {
    return vec2f(bitcast<f32>(pool[i]), bitcast<f32>(pool[i + 1]));
  }
  let word = unpack2x16float(pool[i / 2]);
  if (D % 2 == 0 || i % 2 == 0) {
    return word;
  }
  return vec2f(word.y, unpack2x16float(pool[i / 2 + 1]).x);
}

// The second of a pair may lie behind the last number of a row.
fn within(pair: u32, numbers: vec2f) -> vec2f {
  return vec2f(numbers.x, select(numbers.y, 0.0, D % 2 == 1 && pair == PAIRS - 1));
}

fn pool_block(entry: u32) -> Block {
  let at = params.pool_at + entry * 2 * params.block_size * D;
  let M = params.block_size;
  return Block(true, at, at + M * D, D, M - 1, M);
}

fn section_block(b: u32, t: u32, g: u32) -> Block {
  let i = params.first_key + t;
  let M = params.section_block;
  let first = b * M;
  let at = (first * params.kv_heads + g) * D;
  let stride = params.kv_heads * D;
  if (first + M <= i - i % M) {
    return Block(false, params.k_at + at, params.v_at + at, stride, M - 1, M);
  }
  // The query's own block, without its landmark; or one behind it, of which it sees nothing.
  let seen = select(min(i + 1 - first, M - 1), 0u, first > i);
  return Block(false, params.k_at + at, params.v_at + at, stride, seen, seen);
}

@compute @workgroup_size(THREADS)
fn memory_attention_parts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let run = group.x + group.y * groups.x;
  if (run >= params.tokens * params.heads * params.run_parts) {
    return;
  }
  let part = run % params.run_parts;
  let row_th = run / params.run_parts;
  let h = row_th % params.heads;
  let t = row_th / params.heads;
  let g = h / (params.heads / params.kv_heads);

  var block: Block;
  var query_at = params.q_at + row_th * D;
  if (part < params.chosen) {
    let choice = select(row_th, h, params.is_shared == 1) * params.chosen + part;
    let entry = u32(entries[params.entries_at + choice]) - params.first_entry;
    if (entry >= params.entries) {
      return;
    }
    let slot = u32(slots[params.slots_at + choice]);
    query_at = params.queries_at + ((t * params.slots + slot) * params.heads + h) * D;
    block = pool_block(entry);
  } else {
    block = section_block(part - params.chosen, t, g);
  }

  let lane = thread % LANES;
  let row = thread / LANES;
  var pairs: array<u32, EACH>;
  var query: array<vec2f, EACH>;
  for (var e = 0u; e < EACH; e++) {
    let pair = lane + e * LANES;
    pairs[e] = min(pair, PAIRS - 1);
    if (pair < PAIRS) {
      let i = query_at + 2 * pair;
      if (part < params.chosen) {
        query[e] = within(pair, vec2f(queries[i], queries[i + 1]));
      } else {
        query[e] = within(pair, vec2f(q[i], q[i + 1]));
      }
    }
  }

  var largest = LEAST;
  var whole = 0.0;
  var mean: array<vec2f, EACH>;
  for (var first = 0u; first < block.total; first += KEYS) {
    // Values are asked for early, to arrive while the weights are worked out; a key behind the end
    // is the last one again, without a weight.
    var products = array<f32, KEYS_EACH>();
    var values = array<vec2f, KEYS_EACH * EACH>();
    if (block.is_pooled) {
      for (var i = 0u; i < KEYS_EACH; i++) {
        let key = min(first + row + i * ROWS, block.total - 1) * block.stride;
        for (var e = 0u; e < EACH; e++) {
          let numbers = pooled(block.keys_at + key + 2 * pairs[e]);
          products[i] += dot(query[e], within(pairs[e], numbers));
          values[i * EACH + e] = pooled(block.values_at + key + 2 * pairs[e]);
        }
      }
    } else {
      for (var i = 0u; i < KEYS_EACH; i++) {
        let key = min(first + row + i * ROWS, block.total - 1) * block.stride;
        for (var e = 0u; e < EACH; e++) {
          let key_at = block.keys_at + key + 2 * pairs[e];
          let value_at = block.values_at + key + 2 * pairs[e];
          products[i] += dot(query[e], within(pairs[e], vec2f(k[key_at], k[key_at + 1])));
          values[i * EACH + e] = vec2f(v[value_at], v[value_at + 1]);
        }
      }
    }
    for (var i = 0u; i < KEYS_EACH; i++) {
      sums[(row + i * ROWS) * STRIDE + lane] = products[i];
    }
    workgroupBarrier();

    let own = first + thread;
    if (thread < KEYS) {
      var four = vec4f();
      for (var i = 0u; i < LANES; i += 4) {
        let at = thread * STRIDE + i;
        four += vec4f(sums[at], sums[at + 1], sums[at + 2], sums[at + 3]);
      }
      let score = (four.x + four.y + four.z + four.w) * params.scale;
      scores[thread / 4][thread % 4] = select(LEAST, score, own < block.regular);
      if (own == block.regular && own < block.total) {
        gate = score;
      }
    }
    workgroupBarrier();

    var most = scores[0];
    for (var i = 1u; i < KEYS / 4; i++) {
      most = max(most, scores[i]);
    }
    let before = largest;
    largest = max(largest, max(max(most.x, most.y), max(most.z, most.w)));
    if (thread < KEYS) {
      let weight = exp(scores[thread / 4][thread % 4] - largest);
      weights[thread / 4][thread % 4] = select(0.0, weight, own < block.regular);
    }
    workgroupBarrier();

    var total = weights[0];
    for (var i = 1u; i < KEYS / 4; i++) {
      total += weights[i];
    }
    let shrink = exp(before - largest);
    whole = whole * shrink + total.x + total.y + total.z + total.w;
    for (var e = 0u; e < EACH; e++) {
      mean[e] *= shrink;
    }
    for (var i = 0u; i < KEYS_EACH; i++) {
      let weight = weights[(row + i * ROWS) / 4][(row + i * ROWS) % 4];
      for (var e = 0u; e < EACH; e++) {
        // A landmark's value is never used, and need not be a number.
        mean[e] += weight * select(vec2f(), values[i * EACH + e], weight > 0);
      }
    }
  }

  workgroupBarrier();
  for (var e = 0u; e < EACH; e++) {
    let at = (row * EACH + e) * 2 * LANES + 2 * lane;
    sums[at] = mean[e].x;
    sums[at + 1] = mean[e].y;
  }
  workgroupBarrier();
  let place = row_th * params.parts + part;
  for (var d = thread; d < D; d += THREADS) {
    var sum = 0.0;
    for (var r = 0u; r < ROWS; r++) {
      sum += sums[r * EACH * 2 * LANES + d];
    }
    out[params.out_at + place * D + d] = select(0.0, sum / whole, whole > 0);
  }
  if (thread == 0) {
    var result = LEAST;
    if (block.total > block.regular) {
      result = gate;
    } else if (whole > 0) {
      result = largest + log(whole);
    }
    let gates_at = params.out_at + params.tokens * params.heads * params.parts * D;
    out[gates_at + place] = result;
  }
}
