// window_room: how much room a call takes beside its tensors.

import { windowBackTileBytes } from "./window_back_tile";
import { windowTileBytes } from "./window_attention";
import { WindowJob } from "./window_job";
import { packedDistanceBytes, packedWindowBytes } from "./window_pack";
import { windowRowBytes } from "./window_rows";
import { shareBytes } from "./window_sums";

/** Fills in the sizes of a job's areas, in whole cache lines. */
export function windowRoom(job: WindowJob): void {
  job.packedBytes = lines(packedWindowBytes(job));
  job.distanceBytes = lines(packedDistanceBytes(job));
  job.workBytes = lines(
    job.dOut ? windowBackTileBytes(job) : max(windowRowBytes(job), windowTileBytes(job)),
  );
  job.shareBytes = job.dOut ? lines(shareBytes(job)) : 0;
}

function lines(bytes: u32): u32 {
  return (bytes + 63) & ~63;
}
