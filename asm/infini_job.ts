// infini_job: one call of Infini-attention (Munkhdalai et al., arXiv 2404.07143), as the launcher
// writes it down, and the walk over its tokens. Addresses in bytes, counts in elements, every field
// four bytes. A memory is f32 [D, D + 1]: M, and z as its last column.

/**
 * Tokens taken at once, a multiple of PACKED_ROWS: their features and what they store stay in the
 * first cache.
 */
export const TOKENS: u32 = 95;

@unmanaged
export class InfiniJob {
  /** B, T, S, H, G, D. */
  batch: u32;
  tokens: u32;
  segmentCount: u32;
  heads: u32;
  kvHeads: u32;
  dim: u32;
  /** 1: by the delta rule. */
  delta: u32;
  epsilon: f32;
  /** q, local, out [B, T, H, D], k, v [B, T, G, D], gate [H], i32 segments [B, S, 3]. */
  q: usize;
  k: usize;
  v: usize;
  local: usize;
  gate: usize;
  segments: usize;
  /** [G], [B, G], [B, S, G] of memories. */
  initial: usize;
  before: usize;
  out: usize;
  memories: usize;
  /** 1: `memories` receives what segments add to a memory, alone. */
  alone: u32;
  /** Into how many blocks of columns a memory is cut for the threads. */
  blocks: u32;
  /** A work area for each thread. */
  work: usize;
  workBytes: u32;
  /** Backward: what is given, and where gradients are added. */
  dOut: usize;
  dAfter: usize;
  dQ: usize;
  dK: usize;
  dV: usize;
  dLocal: usize;
  dGate: usize;
  dInitial: usize;
  dBefore: usize;
  /** [B, S, G] of memories: gradients of what each segment begins from. */
  dFronts: usize;
  /** A memory of zeros. */
  zeros: usize;
  /** For each chunk of tokens of a batch row: z's gradients [G, Dp], and the gates' [H]. */
  sums: usize;
  sumsBytes: u32;
}

/** First token, end token, kind. */
@unmanaged
export class Segment {
  first: u32;
  end: u32;
  kind: u32;
}

const FROM_INITIAL: u32 = 1;
const READS_NOTHING: u32 = 2;

@inline
export function segmentAt(job: InfiniJob, b: u32, s: u32): Segment {
  return changetype<Segment>(job.segments + (b * job.segmentCount + s) * 12);
}

@inline
export function fromInitial(segment: Segment): bool {
  return (segment.kind & FROM_INITIAL) != 0;
}

@inline
export function reads(segment: Segment): bool {
  return (segment.kind & READS_NOTHING) == 0;
}

/** The next multiple of eight. */
@inline
export function eights(count: u32): u32 {
  return (count + 7) & ~7;
}

/** Columns of a block of `count` panels of a memory. */
@inline
export function blockColumns(dim: u32, first: u32, count: u32): u32 {
  return min(count << 3, dim - (first << 3));
}

@inline
export function memoryBytes(job: InfiniJob): u32 {
  return (job.dim * (job.dim + 1)) << 2;
}

/** Memory [b, s, g] of x [B, S, G]. */
@inline
export function memoryAt(job: InfiniJob, x: usize, b: u32, s: u32, g: u32): usize {
  return x + ((b * job.segmentCount + s) * job.kvHeads + g) * memoryBytes(job);
}

/** The memory that segment s begins from. */
export function frontOf(job: InfiniJob, b: u32, s: u32, g: u32): usize {
  if (fromInitial(segmentAt(job, b, s))) return job.initial + g * memoryBytes(job);
  if (s == 0) return job.before + (b * job.kvHeads + g) * memoryBytes(job);
  return memoryAt(job, job.memories, b, s - 1, g);
}

/** The gradient of the memory behind segment s: of what begins from it. */
export function behindGradient(job: InfiniJob, b: u32, s: u32, g: u32): usize {
  if (s + 1 == job.segmentCount) return job.dAfter + (b * job.kvHeads + g) * memoryBytes(job);
  if (fromInitial(segmentAt(job, b, s + 1))) return job.zeros;
  return memoryAt(job, job.dFronts, b, s + 1, g);
}

/** Where the row of x [B, T, H, D] for one token and query head lies. */
@inline
export function queryRow(job: InfiniJob, x: usize, b: u32, t: u32, h: u32): usize {
  return x + ((((b * job.tokens + t) * job.heads + h) * job.dim) << 2);
}

/** Where the row of x [B, T, G, D] for one token and memory lies. */
@inline
export function keyRow(job: InfiniJob, x: usize, b: u32, t: u32, g: u32): usize {
  return x + ((((b * job.tokens + t) * job.kvHeads + g) * job.dim) << 2);
}

/** A chunk: up to TOKENS tokens of one segment, at one memory. */
@unmanaged
export class Chunk {
  b: u32;
  g: u32;
  s: u32;
  /** Which one of its batch row, counted without g. */
  n: u32;
  t: u32;
  count: u32;
  /** Where its tokens begin, and whether no memory had them yet. */
  at: u32;
  isNew: bool;
  /** How many were met, and those that are this part's. */
  met: u32;
  first: u32;
  last: u32;
}

/** Chunks of a batch row at most. */
export function mostChunks(job: InfiniJob): u32 {
  return job.tokens / TOKENS + job.segmentCount;
}

/** Takes up a part's share of all chunks: in the order of tokens, so that memory is read in one go. */
export function beginChunks(job: InfiniJob, chunk: Chunk, part: u32, parts: u32): void {
  let count: u32 = 0;
  for (let i: u32 = 0; i < job.batch * job.segmentCount; i++) {
    const segment = segmentAt(job, 0, i);
    count += (segment.end - segment.first + TOKENS - 1) / TOKENS * job.kvHeads;
  }
  chunk.b = chunk.g = chunk.s = chunk.n = chunk.met = 0;
  chunk.at = job.batch > 0 ? segmentAt(job, 0, 0).first : 0;
  chunk.first = <u32> (<u64> count * part / parts);
  chunk.last = <u32> (<u64> count * (part + 1) / parts);
  chunk.isNew = true;
}

/** Goes on to the part's next chunk, if there is one: the next memory's, or the next tokens. */
export function nextChunk(job: InfiniJob, chunk: Chunk): bool {
  while (chunk.b < job.batch && chunk.met < chunk.last) {
    if (!chunk.isNew && ++chunk.g == job.kvHeads) {
      chunk.g = 0;
      chunk.n++;
      chunk.at += TOKENS;
    }
    const segment = segmentAt(job, chunk.b, chunk.s);
    chunk.isNew = chunk.at >= segment.end;
    if (!chunk.isNew) {
      chunk.t = chunk.at;
      chunk.count = min(TOKENS, segment.end - chunk.at);
      if (chunk.met++ >= chunk.first) return true;
      continue;
    }
    if (++chunk.s == job.segmentCount) chunk.s = chunk.n = 0, chunk.b++;
    if (chunk.b < job.batch) chunk.at = segmentAt(job, chunk.b, chunk.s).first;
  }
  return false;
}
