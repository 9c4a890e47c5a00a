// How quads become numbers: words of the pool, f32 or halves, and the section's f32.

// The numbers of a quad of words; of f32 the second four are none.
struct Numbers {
  low: vec4f,
  high: vec4f,
}

// Of four keys, the quads.
struct Words {
  a: vec4u,
  b: vec4u,
  c: vec4u,
  d: vec4u,
}

struct Four {
  a: Numbers,
  b: Numbers,
  c: Numbers,
  d: Numbers,
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

fn unpacked(words: Words) -> Four {
  return Four(numbers(words.a), numbers(words.b), numbers(words.c), numbers(words.d));
}

// Quads of four keys, of which those behind the end are the last one again.
fn quads_of(at: u32, block: Block, key: vec4u, place: Place) -> vec4u {
  return at + place.quad + min(key, vec4u(block.total - 1)) * block.stride;
}

fn pool_words(at: vec4u) -> Words {
  return Words(pool[at.x], pool[at.y], pool[at.z], pool[at.w]);
}

fn section_keys(at: vec4u) -> Four {
  return Four(
    Numbers(k[at.x], k[at.x + HALF]),
    Numbers(k[at.y], k[at.y + HALF]),
    Numbers(k[at.z], k[at.z + HALF]),
    Numbers(k[at.w], k[at.w + HALF]),
  );
}

fn section_values(at: vec4u) -> Four {
  return Four(
    Numbers(v[at.x], v[at.x + HALF]),
    Numbers(v[at.y], v[at.y + HALF]),
    Numbers(v[at.z], v[at.z + HALF]),
    Numbers(v[at.w], v[at.w + HALF]),
  );
}
