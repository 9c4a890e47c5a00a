// chosen [sets, parts, k] = of each part of each row of merits [sets, n], the k best, by time
//
// With CANDIDATES a row's places are those that an earlier run has chosen, [sets, count], rising;
// otherwise all n. A place of a part that there is not enough of is −1. A part is 256 · EACH places
// whose keys a thread keeps, or, with WHOLE, the whole row, which is read again and again.
//
// The threshold is found by digits of 8 bits, most significant first: of the merit, as an integer
// of the same order, and where merits tie of the place, since the later is better.
//
// Dispatch: one workgroup for each part, spread.

struct Params {
  merits_at: u32,
  candidates_at: u32,
  chosen_at: u32,
  sets: u32,
  n: u32,
  count: u32,
  parts: u32,
  k: u32,
}

const THREADS = 256u;
const COPIES = 4u; // of the histogram, as merits of one size would all wait for one counter
const LIST = 1024u;
const NONE = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> merits: array<f32>;
@group(0) @binding(2) var<storage, read> candidates: array<i32>;
@group(0) @binding(3) var<storage, read_write> chosen: array<i32>;

var<workgroup> histogram: array<atomic<u32>, THREADS * COPIES>;
var<workgroup> sums: array<u32, THREADS>;
var<workgroup> found: vec3u; // a digit, how many have a larger one, and how many have it
var<workgroup> filled: atomic<u32>;
var<workgroup> list: array<u32, LIST>;

// What stands at a place of the set's row: a block, or NONE.
fn block_at(row: u32, place: u32) -> u32 {
  if (place >= params.count) {
    return NONE;
  }
  if (CANDIDATES == 1) {
    return bitcast<u32>(candidates[params.candidates_at + row * params.count + place]);
  }
  return place;
}

// The merit of a place as an integer of the same order; 0, below all others, where there is none.
fn key_at(row: u32, place: u32) -> u32 {
  let block = block_at(row, place);
  if (block == NONE) {
    return 0;
  }
  let merit = merits[params.merits_at + row * params.n + block];
  let bits = select(bitcast<u32>(merit), 0u, merit == 0); // -0 is 0
  return select(bits | 0x80000000, ~bits, bits >= 0x80000000);
}

// Sums [lane] becomes the sum of all from it on; every thread of the workgroup must come here.
fn sum_from(lane: u32, own: u32) -> u32 {
  sums[lane] = own;
  workgroupBarrier();
  for (var step = 1u; step < THREADS; step *= 2) {
    var more = 0u;
    if (lane + step < THREADS) {
      more = sums[lane + step];
    }
    workgroupBarrier();
    sums[lane] += more;
    workgroupBarrier();
  }
  return sums[lane];
}

@compute @workgroup_size(THREADS)
fn choose_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let run = group.x + group.y * groups.x;
  if (run >= params.sets * params.parts) {
    return;
  }
  let row = run / params.parts;
  let first = run % params.parts * THREADS * EACH + lane;
  var each = EACH;
  if (WHOLE == 1) {
    each = (params.count + THREADS - 1) / THREADS;
  }
  var kept: array<u32, EACH>;
  if (WHOLE == 0) {
    for (var i = 0u; i < EACH; i++) {
      kept[i] = key_at(row, first + i * THREADS);
    }
  }

  // Chosen is what is not below (key_limit, place_limit), as soon as that is k places.
  var key_limit = 0u;
  var place_limit = 0u;
  var needed = params.k;
  for (var digit = 0u; digit < 8; digit++) {
    for (var i = 0u; i < COPIES; i++) {
      atomicStore(&histogram[lane + i * THREADS], 0);
    }
    workgroupBarrier();
    let shift = 24 - 8 * (digit % 4);
    let mask = select(NONE << (shift + 8), 0u, shift == 24);
    for (var i = 0u; i < each; i++) {
      let place = first + i * THREADS;
      var key = 0u;
      if (WHOLE == 1) {
        key = key_at(row, place);
      } else {
        key = kept[i];
      }
      var number = key;
      var limit = key_limit;
      var is_equal = true;
      if (digit >= 4) {
        is_equal = key == key_limit;
        number = place;
        limit = place_limit;
      }
      if (is_equal && ((number ^ limit) & mask) == 0) {
        atomicAdd(&histogram[((number >> shift) & 255) * COPIES + lane % COPIES], 1);
      }
    }
    workgroupBarrier();
    var own = 0u;
    for (var i = 0u; i < COPIES; i++) {
      own += atomicLoad(&histogram[lane * COPIES + i]);
    }
    let reached = sum_from(lane, own);
    if (reached >= needed && reached - own < needed) {
      found = vec3u(lane, reached - own, own);
    }
    let best = workgroupUniformLoad(&found);
    if (digit < 4) {
      key_limit |= best.x << shift;
    } else {
      place_limit |= best.x << shift;
    }
    needed -= best.y;
    if (needed == best.z) {
      break;
    }
  }

  let out = params.chosen_at + run * params.k;
  if (WHOLE == 1) {
    // Too many for the list: in the order of the row, chunk by chunk.
    var written = 0u;
    for (var i = 0u; i < each; i++) {
      let place = first + i * THREADS;
      let key = key_at(row, place);
      let is_chosen = key > key_limit || (key == key_limit && place >= place_limit);
      let reached = sum_from(lane, u32(is_chosen));
      let all = workgroupUniformLoad(&sums[0]);
      if (is_chosen) {
        chosen[out + written + all - reached] = bitcast<i32>(block_at(row, place));
      }
      written += all;
    }
  } else {
    for (var i = 0u; i < EACH; i++) {
      let place = first + i * THREADS;
      if (kept[i] > key_limit || (kept[i] == key_limit && place >= place_limit)) {
        list[min(atomicAdd(&filled, 1), LIST - 1)] = place;
      }
    }
    workgroupBarrier();
    for (var i = lane; i < params.k; i += THREADS) {
      var rank = 0u;
      for (var j = 0u; j < params.k; j++) {
        rank += u32(list[j] < list[i]);
      }
      chosen[out + rank] = bitcast<i32>(block_at(row, list[i]));
    }
  }
}
