// out [T, H, D], top [T, H]: what queries make of blocks that were chosen for all of them
//
// out holds the mean of what a query has seen so far (its section), and top its log-sum-exp: both
// take in the chosen blocks, pool entries [2, M, D], M ≤ 64, whose last key is the landmark and
// whose keys meet queries [T, Z, H, D] at the block's slot. entries and slots i32 [1, H, k]. Of the
// pool one segment is bound; entries elsewhere are left to other runs. HALF is 1 where the pool
// holds halves. With SIGHTS i32 [S, 4] (see GpuBlocks) a query that is padding is left as it is.
//
// One workgroup for ROWS queries of one head, spread: 16 threads for 4 queries. In scores a thread
// has keys x, x + 16, …; in means numbers 4x … 4x + 3, and the same 64 further on, …
// A tile holds 32 numbers along D of queries and keys, then KEYS values.

struct Params {
  queries_at: u32,
  entries_at: u32,
  slots_at: u32,
  pool_at: u32,
  sights_at: u32,
  out_at: u32,
  top_at: u32,
  tokens: u32, // T
  slots: u32, // Z
  heads: u32, // H
  chosen: u32, // k
  block_size: u32, // M
  first_entry: u32, // of the pool segment
  entries: u32, // in the pool segment
  first_key: u32, // S - T
  scale: f32,
}

const LANES = 16u;
const TQ = 4u; // queries of a thread
const TK = 4u; // and keys
const THREADS = ROWS / TQ * LANES;
const BLOCK = LANES * TK;
const CHUNK = 32u; // numbers along D
const STRIDE = CHUNK / 4 + 1; // odd, so that rows begin in different banks
const PAIRS = (D + 1) / 2;
const QUADS = (D + 3) / 4;
const EACH = (QUADS + LANES - 1) / LANES; // quads of a thread
const KEYS = 32u; // whose values are in the tile at once
const WEIGHTS = BLOCK / 4 + 1;
const NOTHING = -2.0e38; // a top from here on stands for nothing seen

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<f32>;
@group(0) @binding(2) var<storage, read> entries: array<i32>;
@group(0) @binding(3) var<storage, read> slots: array<i32>;
@group(0) @binding(4) var<storage, read> pool: array<u32>;
@group(0) @binding(5) var<storage, read> sights: array<i32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> top: array<f32>;

var<workgroup> tile: array<vec4f, max((ROWS + BLOCK) * STRIDE, KEYS * LANES * EACH)>;
var<workgroup> weights: array<vec4f, ROWS * WEIGHTS>; // first the largest scores, 4 quads a row
var<workgroup> gates: array<f32, ROWS>;

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

// Pair `pair` of the pool's row that begins at `at`; zero behind its end.
fn row_pair(at: u32, pair: u32) -> vec2f {
  let numbers = pooled(at + 2 * pair);
  return vec2f(numbers.x, select(numbers.y, 0.0, 2 * pair + 1 >= D));
}

@compute @workgroup_size(THREADS)
fn memory_attention(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let run = group.x + group.y * groups.x;
  let h = run % params.heads;
  let first = run / params.heads * ROWS;
  if (first >= params.tokens) {
    return;
  }
  let x = thread % LANES;
  let y = thread / LANES * TQ;

  var largest: array<f32, TQ>;
  var whole: array<f32, TQ>;
  var mean: array<array<vec4f, EACH>, TQ>;
  for (var r = 0u; r < TQ; r++) {
    let t = first + y + r;
    largest[r] = NOTHING;
    if (t >= params.tokens) {
      continue;
    }
    let before = top[params.top_at + t * params.heads + h];
    if (before > NOTHING) {
      largest[r] = before;
      whole[r] = 1;
      for (var e = 0u; e < EACH; e++) {
        for (var c = 0u; c < 4; c++) {
          let d = 4 * (x + e * LANES) + c;
          if (d < D) {
            mean[r][e][c] = out[params.out_at + (t * params.heads + h) * D + d];
          }
        }
      }
    }
  }

  for (var i = 0u; i < params.chosen; i++) {
    let entry = u32(entries[params.entries_at + h * params.chosen + i]) - params.first_entry;
    if (entry >= params.entries) {
      continue;
    }
    let slot = u32(slots[params.slots_at + h * params.chosen + i]);
    let keys_at = params.pool_at + entry * 2 * params.block_size * D;
    let values_at = keys_at + params.block_size * D;

    var scores = array<array<f32, TK>, TQ>();
    for (var d0 = 0u; d0 < D; d0 += CHUNK) {
      workgroupBarrier();
      for (var e = thread; e < ROWS * CHUNK; e += THREADS) {
        let d = d0 + e % CHUNK;
        let t = first + e / CHUNK;
        var number = 0.0;
        if (d < D && t < params.tokens) {
          number = queries[params.queries_at + ((t * params.slots + slot) * params.heads + h) * D + d];
        }
        tile[e / CHUNK * STRIDE + e / 4 % (CHUNK / 4)][e % 4] = number;
      }
      for (var e = thread; e < BLOCK * CHUNK / 2; e += THREADS) {
        let pair = d0 / 2 + e % (CHUNK / 2);
        let key = e / (CHUNK / 2);
        var numbers = vec2f();
        if (pair < PAIRS && key < params.block_size) {
          numbers = row_pair(keys_at + key * D, pair);
        }
        let at = (ROWS + key) * STRIDE + e / 2 % (CHUNK / 4);
        tile[at][2 * e % 4] = numbers.x;
        tile[at][2 * e % 4 + 1] = numbers.y;
      }
      workgroupBarrier();
      for (var quad = 0u; quad < CHUNK / 4; quad++) {
        var keys: array<vec4f, TK>;
        for (var j = 0u; j < TK; j++) {
          keys[j] = tile[(ROWS + x + j * LANES) * STRIDE + quad];
        }
        for (var r = 0u; r < TQ; r++) {
          let query = tile[(y + r) * STRIDE + quad];
          for (var j = 0u; j < TK; j++) {
            scores[r][j] += dot(query, keys[j]);
          }
        }
      }
    }

    let landmark = params.block_size - 1;
    for (var r = 0u; r < TQ; r++) {
      var most = NOTHING;
      for (var j = 0u; j < TK; j++) {
        scores[r][j] *= params.scale;
        let key = x + j * LANES;
        if (key < landmark) {
          most = max(most, scores[r][j]);
        } else if (key == landmark) {
          gates[y + r] = scores[r][j];
        }
      }
      weights[(y + r) * WEIGHTS + x / 4][x % 4] = most;
    }
    workgroupBarrier();
    var most_of: array<f32, TQ>;
    for (var r = 0u; r < TQ; r++) {
      let at = (y + r) * WEIGHTS;
      let most = max(max(weights[at], weights[at + 1]), max(weights[at + 2], weights[at + 3]));
      most_of[r] = max(max(most.x, most.y), max(most.z, most.w));
    }
    workgroupBarrier();
    for (var r = 0u; r < TQ; r++) {
      for (var j = 0u; j < TK; j++) {
        let key = x + j * LANES;
        let weight = exp(min(scores[r][j] - most_of[r], 0.0));
        weights[(y + r) * WEIGHTS + key / 4][key % 4] = select(0.0, weight, key < landmark);
      }
    }

    var sums = array<vec4f, TQ>();
    var values = array<array<vec4f, EACH>, TQ>();
    for (var key_0 = 0u; key_0 < BLOCK; key_0 += KEYS) {
      workgroupBarrier();
      for (var e = thread; e < KEYS * 2 * LANES * EACH; e += THREADS) {
        let pair = e % (2 * LANES * EACH);
        let key = e / (2 * LANES * EACH);
        var numbers = vec2f();
        // A landmark's value is never used, and need not be a number.
        if (pair < PAIRS && key_0 + key < landmark) {
          numbers = row_pair(values_at + (key_0 + key) * D, pair);
        }
        let at = key * LANES * EACH + pair / 2;
        tile[at][2 * pair % 4] = numbers.x;
        tile[at][2 * pair % 4 + 1] = numbers.y;
      }
      workgroupBarrier();
      for (var key = 0u; key < KEYS; key += 4) {
        var weight: array<vec4f, TQ>;
        for (var r = 0u; r < TQ; r++) {
          weight[r] = weights[(y + r) * WEIGHTS + (key_0 + key) / 4];
          sums[r] += weight[r];
        }
        for (var e = 0u; e < EACH; e++) {
          let at = key * LANES * EACH + x + e * LANES;
          let value_0 = tile[at];
          let value_1 = tile[at + LANES * EACH];
          let value_2 = tile[at + 2 * LANES * EACH];
          let value_3 = tile[at + 3 * LANES * EACH];
          for (var r = 0u; r < TQ; r++) {
            values[r][e] += weight[r].x * value_0 + weight[r].y * value_1 +
              weight[r].z * value_2 + weight[r].w * value_3;
          }
        }
      }
    }

    for (var r = 0u; r < TQ; r++) {
      let gate = gates[y + r];
      let next = max(largest[r], gate);
      let shrink = exp(largest[r] - next);
      let weight = exp(gate - next);
      let share = weight / (sums[r].x + sums[r].y + sums[r].z + sums[r].w);
      largest[r] = next;
      whole[r] = whole[r] * shrink + weight;
      for (var e = 0u; e < EACH; e++) {
        mean[r][e] = mean[r][e] * shrink + share * values[r][e];
      }
    }
  }

  for (var r = 0u; r < TQ; r++) {
    let t = first + y + r;
    if (t >= params.tokens || whole[r] == 0) {
      continue;
    }
    if (SIGHTS == 1) {
      if (sights[params.sights_at + 4 * (params.first_key + t)] < 0) {
        continue;
      }
    }
    let row = t * params.heads + h;
    for (var e = 0u; e < EACH; e++) {
      for (var c = 0u; c < 4; c++) {
        let d = 4 * (x + e * LANES) + c;
        if (d < D) {
          out[params.out_at + row * D + d] = mean[r][e][c] / whole[r];
        }
      }
    }
    if (x == 0) {
      top[params.top_at + row] = largest[r] + log(whole[r]);
    }
  }
}
