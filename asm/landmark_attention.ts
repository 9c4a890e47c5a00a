// landmark_attention: attention in blocks that end with a landmark (Mohtashami & Jaggi, arXiv
// 2305.16300), fused: no matrix of T × S exists at any time.
//
//   q, out   f32 [B, T, H, D]   in, out
//   k, v     f32 [B, S, G, D]   in    G divides H; packed by packLandmark before
//   top      f32 [B, T, H]      out   log-sum-exp of every query's top group
//
// Work is shared out in tiles of queries of one batch row and head; whichever thread takes a tile
// computes the same bits.

import { walkChunks } from "./landmark_chunks";
import { GROUP, Job } from "./landmark_job";
import { beginTile, endTile, layTile, takes, tilesOf, topGroup } from "./landmark_tile";
import { shareOf } from "./thread";

export function landmarkAttention(part: u32, parts: u32, job: Job): void {
  const tile = layTile(job, shareOf(job.work, job.workBytes));
  const tiles = tilesOf(job);
  for (let b: u32 = 0; b < job.batch; b++) {
    for (let h: u32 = 0; h < job.heads; h++) {
      for (let i: u32 = 0; i < tiles; i++) {
        if (!takes(part, parts, b * job.heads + h, i, tiles)) continue;
        beginTile(job, tile, b, h, i, tiles);
        for (let r: u32 = 0; r < tile.count; r += GROUP) topGroup(job, tile, r);
        walkChunks(job, tile);
        endTile(job, tile);
      }
    }
  }
}
