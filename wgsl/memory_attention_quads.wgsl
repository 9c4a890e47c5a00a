// What single queries make of single blocks, as memory_attention_parts has it, for rows of whole
// quads of words: D a multiple of 4, or of 8 where HALF is 1 and the pool holds halves.
//
// Bound by memory, so that all loads of a step, keys and values, are asked for before the first is
// used. What a thread holds is spelled out: Deno's compiler bounds every loop, and a driver may then
// keep an array that is indexed in it in memory.
//
// One workgroup for each part, spread: rows of LANES threads, which have a quad of words each. A row
// takes four keys at a time, and keeps a softmax of its own over all it has seen; at the end the
// rows are put together. The texts behind say how quads are loaded, and how lanes of a row add.

const FOURS = 1 + HALF; // of numbers, in a quad of words
const QUADS = D / (4 * FOURS);
const ROWS = THREADS / LANES;
const LEAST = -3.0e38;

@group(0) @binding(1) var<storage, read> queries: array<vec4f>;
@group(0) @binding(2) var<storage, read> q: array<vec4f>;
@group(0) @binding(3) var<storage, read> k: array<vec4f>;
@group(0) @binding(4) var<storage, read> v: array<vec4f>;
@group(0) @binding(5) var<storage, read> entries: array<i32>;
@group(0) @binding(6) var<storage, read> slots: array<i32>;
@group(0) @binding(7) var<storage, read> pool: array<vec4u>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

var<workgroup> means: array<vec4f, THREADS * FOURS>;
var<workgroup> levels: array<vec2f, ROWS>; // the largest score of a row, and its sum of weights
var<workgroup> gate: f32;

// A block: where its rows begin, and how far apart they are, in quads. The same for all threads, so
// that barriers may stand in loops over it.
struct Block {
  keys_at: u32,
  values_at: u32,
  stride: u32,
  regular: u32, // tokens the query sees
  total: u32, // with the landmark behind them, if it has one
}

// A thread: its row, and its quad of each key, counted in quads of the tensor.
struct Place {
  thread: u32,
  row: u32,
  quad: u32,
}

// What a row has seen.
struct State {
  largest: f32,
  whole: f32,
  mean: Numbers,
}

fn product(query: Numbers, key: Numbers) -> f32 {
  if (HALF == 0) {
    return dot(query.low, key.low);
  }
  return dot(query.low, key.low) + dot(query.high, key.high);
}

// The scores of four keys, for every lane of the row; a landmark's is kept.
fn scores_of(query: Numbers, keys: Four, block: Block, key: vec4u, thread: u32) -> vec4f {
  let own = vec4f(
    product(query, keys.a),
    product(query, keys.b),
    product(query, keys.c),
    product(query, keys.d),
  );
  let scores = across(own, thread) * params.scale;
  let is_landmark = (key == vec4u(block.regular)) & (key < vec4u(block.total));
  if (any(is_landmark)) {
    gate = dot(select(vec4f(), scores, is_landmark), vec4f(1));
  }
  return scores;
}

fn weighed(mean: Numbers, weight: f32, value: Numbers) -> Numbers {
  // A landmark's value is never used, and need not be a number.
  let is_used = weight > 0;
  return Numbers(
    fma(vec4f(weight), select(vec4f(), value.low, is_used), mean.low),
    fma(vec4f(weight), select(vec4f(), value.high, is_used), mean.high),
  );
}

fn attended(state: State, scores: vec4f, is_regular: vec4<bool>, values: Four) -> State {
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

fn attend_pool(block: Block, query: Numbers, place: Place) -> State {
  var state = State(LEAST, 0, Numbers());
  for (var first = 0u; first < block.total; first += 4 * ROWS) {
    let key = first + place.row + vec4u(0, 1, 2, 3) * ROWS;
    let keys = pool_words(quads_of(block.keys_at, block, key, place));
    let values = pool_words(quads_of(block.values_at, block, key, place));
    let scores = scores_of(query, unpacked(keys), block, key, place.thread);
    state = attended(state, scores, key < vec4u(block.regular), unpacked(values));
  }
  return state;
}

fn attend_section(block: Block, query: Numbers, place: Place) -> State {
  var state = State(LEAST, 0, Numbers());
  for (var first = 0u; first < block.total; first += 4 * ROWS) {
    let key = first + place.row + vec4u(0, 1, 2, 3) * ROWS;
    let keys = section_keys(quads_of(block.keys_at, block, key, place));
    let values = section_values(quads_of(block.values_at, block, key, place));
    let scores = scores_of(query, keys, block, key, place.thread);
    state = attended(state, scores, key < vec4u(block.regular), values);
  }
  return state;
}

fn pool_block(entry: u32) -> Block {
  let M = params.block_size;
  let at = params.pool_at / (4 * FOURS) + entry * 2 * M * QUADS;
  return Block(at, at + M * QUADS, QUADS, M - 1, M);
}

fn section_block(b: u32, t: u32, g: u32) -> Block {
  let i = params.first_key + t;
  let M = params.section_block;
  let first = b * M;
  let at = (first * params.kv_heads + g) * (D / 4);
  let stride = params.kv_heads * (D / 4);
  let k_at = params.k_at / 4 + at;
  let v_at = params.v_at / 4 + at;
  if (first + M <= i - i % M) {
    return Block(k_at, v_at, stride, M - 1, M);
  }
  // The query's own block, without its landmark; or one behind it, of which it sees nothing.
  let seen = select(min(i + 1 - first, M - 1), 0u, first > i);
  return Block(k_at, v_at, stride, seen, seen);
}

// Puts the rows together, and what they make of the block where it belongs.
fn write_part(state: State, block: Block, row_th: u32, part: u32, thread: u32) {
  means[thread * FOURS] = state.mean.low;
  if (HALF == 1) {
    means[thread * FOURS + HALF] = state.mean.high;
  }
  if (thread % LANES == 0) {
    levels[thread / LANES] = vec2f(state.largest, state.whole);
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
  var sum = vec4f();
  for (var r = 0u; r < ROWS; r++) {
    let weight = exp(levels[r].x - largest);
    whole = fma(weight, levels[r].y, whole);
    sum = fma(vec4f(weight), means[r * LANES * FOURS + thread], sum);
  }
  let place = row_th * params.parts + part;
  let at = params.out_at + place * D + 4 * thread;
  let mean = select(vec4f(), sum / whole, whole > 0);
  out[at] = mean.x;
  out[at + 1] = mean.y;
  out[at + 2] = mean.z;
  out[at + 3] = mean.w;
  if (thread == 0) {
    var result = LEAST;
    if (block.total > block.regular) {
      result = gate;
    } else if (whole > 0) {
      result = largest + log(whole);
    }
    out[params.out_at + params.tokens * params.heads * params.parts * D + place] = result;
  }
}

@compute @workgroup_size(THREADS)
fn memory_attention_quads(
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
  let row = thread / LANES;
  let lane = thread % LANES;
  // A lane behind the last quad has it again, and a query of zeros.
  let quad = min(lane, QUADS - 1);
  let is_within = vec4<bool>(lane < QUADS);

  if (part >= params.chosen) {
    let at = params.q_at / 4 + row_th * (D / 4) + quad * FOURS;
    let query = Numbers(select(vec4f(), q[at], is_within), select(vec4f(), q[at + HALF], is_within));
    let g = h / (params.heads / params.kv_heads);
    let block = section_block(part - params.chosen, t, g);
    let place = Place(thread, row, quad * FOURS);
    write_part(attend_section(block, query, place), block, row_th, part, thread);
    return;
  }
  let choice = select(row_th, h, params.is_shared == 1) * params.chosen + part;
  let entry = u32(entries[params.entries_at + choice]) - params.first_entry;
  if (entry >= params.entries) {
    return;
  }
  let slot = u32(slots[params.slots_at + choice]);
  let asked = (t * params.slots + slot) * params.heads + h;
  let at = params.queries_at / 4 + asked * (D / 4) + quad * FOURS;
  let query = Numbers(
    select(vec4f(), queries[at], is_within),
    select(vec4f(), queries[at + HALF], is_within),
  );
  let block = pool_block(entry);
  write_part(attend_pool(block, query, Place(thread, row, quad)), block, row_th, part, thread);
}
