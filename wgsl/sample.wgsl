// ids [1] = a token of logits [V], or −1: one row
//
// Tokens stand in an order: by falling logit, then rising id; or, where none is left out, by id
// alone. Each step looks for the first one with which a sum over all before it, and it, passes a
// target: of ones for the k likeliest, of weights for the share p and for the token itself. The place
// is found bit by bit, most significant first, so that nothing is sorted, however many there are.
//
// Weights are integers of 64 bits (high, low), the largest 2^44: sums do not depend on their order.
//
// Dispatch: one workgroup.

struct Params {
  logits_at: u32,
  forbidden_at: u32,
  ids_at: u32,
  V: u32,
  id_bits: u32,
  is_greedy: u32,
  is_cut: u32, // some tokens are left out, or may be
  k: u32,
  p: u32, // in 2^-32; 0 leaves out none
  u: u32, // in 2^-32
  steepness: f32, // 2 / temperature
  lowest: f32, // half of a logit below the best that weighs nothing
}

const THREADS = 256u;
const END = vec2u(0xffffffff, 0);

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> forbidden: array<i32>;
@group(0) @binding(3) var<storage, read_write> ids: array<i32>;

var<workgroup> shared_sums: array<vec2u, THREADS>;

fn add(a: vec2u, b: vec2u) -> vec2u {
  let low = a.y + b.y;
  return vec2u(a.x + b.x + u32(low < a.y), low);
}

fn is_less(a: vec2u, b: vec2u) -> bool {
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

// a · b, all 64 bits
fn product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffff) * (b & 0xffff);
  let middle = (a >> 16) * (b & 0xffff) + (low >> 16);
  let other = (a & 0xffff) * (b >> 16) + (middle & 0xffff);
  return vec2u((a >> 16) * (b >> 16) + (middle >> 16) + (other >> 16), a * b);
}

// ⌊part · whole / 2^32⌋
fn share(part: u32, whole: vec2u) -> vec2u {
  return add(product(part, whole.x), vec2u(0, product(part, whole.y).x));
}

// Integers of the same order as logits: 0 for a token that may not be taken, the largest for NaN
// and +∞, which are found by their bits: a compiler may take it that neither is there.
fn key_at(id: u32) -> u32 {
  let bits = bitcast<u32>(logits[params.logits_at + id]);
  if ((bits & 0x7fffffff) > 0x7f800000 || bits == 0x7f800000) {
    return 0xffffffff;
  }
  let word = bitcast<u32>(forbidden[params.forbidden_at + id / 32]);
  if (((word >> (id % 32)) & 1) == 1 || bits == 0xff800000) {
    return 0;
  }
  if (bits == 0x80000000) { // -0 is 0
    return 0x80000000;
  }
  return select(bits | 0x80000000, ~bits, bits >= 0x80000000);
}

fn logit_of(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffff, key >= 0x80000000));
}

// exp((logit − best) / temperature) · 2^44; halves, as a difference of logits may be too large.
fn weight_of(key: u32, best: u32) -> vec2u {
  let half = 0.5 * logit_of(key) - 0.5 * logit_of(best);
  if (half < params.lowest) {
    return vec2u();
  }
  let weight = exp(half * params.steepness) * 4096;
  let high = floor(weight);
  return vec2u(u32(high), u32((weight - high) * 4294967296));
}

// Where a token stands.
fn place_of(key: u32, id: u32) -> vec2u {
  return vec2u(select(0, ~key, params.is_cut == 1), id);
}

// The sum over the threads, or the largest of them; every thread must come here.
fn sum_of(lane: u32, own: vec2u) -> vec2u {
  shared_sums[lane] = own;
  for (var step = THREADS / 2; step > 0; step /= 2) {
    workgroupBarrier();
    if (lane < step) {
      shared_sums[lane] = add(shared_sums[lane], shared_sums[lane + step]);
    }
  }
  workgroupBarrier();
  let all = shared_sums[0];
  workgroupBarrier();
  return all;
}

fn largest_of(lane: u32, own: vec2u) -> vec2u {
  shared_sums[lane] = own;
  for (var step = THREADS / 2; step > 0; step /= 2) {
    workgroupBarrier();
    if (lane < step && is_less(shared_sums[lane], shared_sums[lane + step])) {
      shared_sums[lane] = shared_sums[lane + step];
    }
  }
  workgroupBarrier();
  let all = shared_sums[0];
  workgroupBarrier();
  return all;
}

// Weights before a place, or how many tokens.
fn sum_before(lane: u32, place: vec2u, best: u32, counts: bool) -> vec2u {
  var own = vec2u();
  for (var id = lane; id < params.V; id += THREADS) {
    let key = key_at(id);
    if (key != 0 && is_less(place_of(key, id), place)) {
      if (counts) {
        own.y += 1;
      } else {
        own = add(own, weight_of(key, best));
      }
    }
  }
  return sum_of(lane, own);
}

// The last place before which the sum is not more than the target: the token that passes it.
fn find(lane: u32, target_sum: vec2u, best: u32, counts: bool) -> vec2u {
  var found = vec2u();
  for (var bit = 32 * (1 - params.is_cut); bit < 32 + params.id_bits; bit++) {
    var next = found;
    if (bit < 32) {
      next.x |= 0x80000000u >> bit;
    } else {
      next.y |= 1u << (31 + params.id_bits - bit);
    }
    if (!is_less(target_sum, sum_before(lane, next, best, counts))) {
      found = next;
    }
  }
  return found;
}

@compute @workgroup_size(THREADS)
fn sample(@builtin(local_invocation_index) lane: u32) {
  var likeliest = vec2u();
  for (var id = lane; id < params.V; id += THREADS) {
    let own = vec2u(key_at(id), ~id);
    if (own.x != 0 && is_less(likeliest, own)) {
      likeliest = own;
    }
  }
  likeliest = largest_of(lane, likeliest);
  let best = likeliest.x;
  var id = ~likeliest.y;

  if (params.is_greedy == 0) {
    // What is left out stands at `end` or behind it.
    var end = END;
    if (params.k < params.V) {
      end = find(lane, vec2u(0, params.k), best, true);
    }
    if (params.p > 0) {
      // The first with which the weights are the share or more, so that it is more than this.
      let whole = sum_before(lane, end, best, false);
      var target_sum = share(params.p, whole);
      if (params.p * whole.y == 0) {
        target_sum = vec2u(target_sum.x - u32(target_sum.y == 0), target_sum.y - 1);
      }
      end = find(lane, target_sum, best, false);
      end.y += 1;
    }
    let whole = sum_before(lane, end, best, false);
    id = find(lane, share(params.u, whole), best, false).y;
  }
  if (lane == 0) {
    ids[params.ids_at] = select(bitcast<i32>(id), -1, best == 0 || best == 0xffffffff);
  }
}
