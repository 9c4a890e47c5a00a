// What single queries make of single chosen blocks: parts [T, H, I] of a mean f32 [D], and of a gate
//
// As memory_attention_parts, of which these are parts 0 … k - 1: a chosen block is a pool entry
// [2, M, D] whose keys meet queries[t, slot, h]. For rows of whole quads of words: D a multiple of 4,
// or of 8 where HALF is 1 and the pool holds halves.
//
// Bound by memory, so that all loads of a step, keys and values, are asked for before the first is
// used. What a thread holds is spelled out: Deno's compiler bounds every loop, which the driver then
// does not unroll, and arrays of a thread end up in memory.
//
// One workgroup for each part, spread: rows of LANES threads, which have a quad of words each. A row
// takes 4 · DEPTH keys at a time, and keeps a softmax of its own over all it has seen; at the end the
// rows are put together. The text in front says how lanes of a row add.

struct Params {
  queries_at: u32,
  entries_at: u32,
  slots_at: u32,
  pool_at: u32,
  out_at: u32,
  tokens: u32, // T
  slots: u32, // Z
  heads: u32, // H
  chosen: u32, // k
  is_shared: u32, // 1: one choice for all tokens
  parts: u32, // I
  first_entry: u32, // of the pool segment
  entries: u32, // in the pool segment
  scale: f32,
}

const NUMBERS = 4 * (1 + HALF); // of a quad of words
const QUADS = D / NUMBERS;
const ROWS = THREADS / LANES;
const STEP = 4 * DEPTH * ROWS; // keys at a time
const ENTRY_QUADS = 2 * M * QUADS;
const LEAST = -3.0e38;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;
@group(0) @binding(2) var<storage, read> entries: array<i32>;
@group(0) @binding(3) var<storage, read> slots: array<i32>;
@group(0) @binding(4) var<storage, read> pool: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

var<workgroup> means: array<vec4f, THREADS * (1 + HALF)>;
var<workgroup> levels: array<vec2f, ROWS>; // the largest score of a row, and its sum of weights
var<workgroup> gate: f32;

// The numbers of a quad of words; of f32 the second four are none.
struct Numbers {
  low: vec4f,
  high: vec4f,
}

// Quads of four keys.
struct Four {
  a: vec4u,
  b: vec4u,
  c: vec4u,
  d: vec4u,
}

// What a row has seen.
struct State {
  largest: f32,
  whole: f32,
  mean: Numbers,
}

fn numbers(words: vec4u) -> Numbers {
  if (HALF == 0) {
    return Numbers(bitcast<vec4f>(words), vec4f());
  }
  return Numbers(
    vec4f(unpack2x16float(words.x), unpack2x16float(words.y)),
    vec4f(unpack2x16float(words.z), unpack2x16float(words.w)),
  );
}

fn product(query: Numbers, words: vec4u) -> f32 {
  let key = numbers(words);
  if (HALF == 0) {
    return dot(query.low, key.low);
  }
  return dot(query.low, key.low) + dot(query.high, key.high);
}

// Of keys `key`, ROWS apart; behind the end it is the last one again.
fn load(at: u32, key: vec4u) -> Four {
  let row = at + min(key, vec4u(M - 1)) * QUADS;
  return Four(pool[row.x], pool[row.y], pool[row.z], pool[row.w]);
}

fn weighed(mean: Numbers, weight: f32, words: vec4u) -> Numbers {
  // A landmark's value is never used, and need not be a number.
  let value = numbers(select(vec4u(), words, weight > 0));
  return Numbers(fma(vec4f(weight), value.low, mean.low), fma(vec4f(weight), value.high, mean.high));
}

fn attended(state: State, scores: vec4f, key: vec4u, values: Four) -> State {
  let is_regular = key < vec4u(M - 1);
  let own = select(vec4f(LEAST), scores, is_regular);
  let largest = max(state.largest, max(max(own.x, own.y), max(own.z, own.w)));
  let shrink = exp(state.largest - largest);
  let weight = select(vec4f(), exp(own - largest), is_regular);
  var mean = Numbers(state.mean.low * shrink, state.mean.high * shrink);
  mean = weighed(mean, weight.x, values.a);
  mean = weighed(mean, weight.y, values.b);
  mean = weighed(mean, weight.z, values.c);
  mean = weighed(mean, weight.w, values.d);
  return State(largest, state.whole * shrink + dot(weight, vec4f(1)), mean);
}

fn scores_of(query: Numbers, keys: Four, thread: u32) -> vec4f {
  let own = vec4f(
    product(query, keys.a),
    product(query, keys.b),
    product(query, keys.c),
    product(query, keys.d),
  );
  return across(own, thread) * params.scale;
}

fn keep_gate(scores: vec4f, key: vec4u) {
  let is_landmark = key == vec4u(M - 1);
  if (any(is_landmark)) {
    gate = dot(select(vec4f(), scores, is_landmark), vec4f(1));
  }
}

@compute @workgroup_size(THREADS)
fn memory_attention_pooled(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let run = group.x + group.y * groups.x;
  if (run >= params.tokens * params.heads * params.chosen) {
    return;
  }
  let part = run % params.chosen;
  let row_th = run / params.chosen;
  let h = row_th % params.heads;
  let t = row_th / params.heads;
  let choice = select(row_th, h, params.is_shared == 1) * params.chosen + part;
  let entry = u32(entries[params.entries_at + choice]) - params.first_entry;
  if (entry >= params.entries) {
    return;
  }

  let lane = thread % LANES;
  let row = thread / LANES;
  let quad = min(lane, QUADS - 1);
  let keys_at = params.pool_at / NUMBERS + entry * ENTRY_QUADS + quad;
  let values_at = keys_at + M * QUADS;
  let slot = u32(slots[params.slots_at + choice]);
  let query_at = params.queries_at / 4 +
    ((t * params.slots + slot) * params.heads + h) * (D / 4) + quad * (1 + HALF);
  var query = Numbers();
  if (lane < QUADS) {
    query = Numbers(queries[query_at], queries[query_at + HALF]);
  }

  var state = State(LEAST, 0, Numbers());
  for (var first = 0u; first < M; first += STEP) {
    let key = first + row + vec4u(0, 1, 2, 3) * ROWS;
    let keys = load(keys_at, key);
    if (DEPTH == 2) {
      let far = key + 4 * ROWS;
      let far_keys = load(keys_at, far);
      let values = load(values_at, key);
      let far_values = load(values_at, far);
      let scores = scores_of(query, keys, thread);
      let far_scores = scores_of(query, far_keys, thread);
      keep_gate(scores, key);
      keep_gate(far_scores, far);
      state = attended(state, scores, key, values);
      state = attended(state, far_scores, far, far_values);
    } else {
      let values = load(values_at, key);
      let scores = scores_of(query, keys, thread);
      keep_gate(scores, key);
      state = attended(state, scores, key, values);
    }
  }

  means[thread * (1 + HALF)] = state.mean.low;
  means[thread * (1 + HALF) + HALF] = select(state.mean.high, state.mean.low, HALF == 0);
  if (lane == 0) {
    levels[row] = vec2f(state.largest, state.whole);
  }
  workgroupBarrier();
  if (thread >= D / 4) {
    return;
  }
  var largest = LEAST;
  for (var r = 0u; r < ROWS; r++) {
    largest = max(largest, levels[r].x);
  }
  var whole = 0.0;
  var mean = vec4f();
  for (var r = 0u; r < ROWS; r++) {
    let weight = exp(levels[r].x - largest);
    whole = fma(weight, levels[r].y, whole);
    mean = fma(vec4f(weight), means[r * LANES * (1 + HALF) + thread], mean);
  }
  let place = row_th * params.parts + part;
  let at = params.out_at + place * D + 4 * thread;
  mean /= whole;
  out[at] = mean.x;
  out[at + 1] = mean.y;
  out[at + 2] = mean.z;
  out[at + 3] = mean.w;
  if (thread == 0) {
    out[params.out_at + params.tokens * params.heads * params.parts * D + place] = gate;
  }
}
