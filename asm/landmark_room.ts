// landmark_room: how much room a call takes beside its tensors.

import { backTileBytes } from "./back_tile";
import { Job } from "./landmark_job";
import { packedBytes } from "./landmark_pack";
import { rowBytes } from "./landmark_rows";
import { sumsBytes } from "./landmark_sums";
import { tileBytes } from "./landmark_tile";

/** Fills in packedBytes, workBytes and sumsBytes of a job, in whole cache lines. */
export function landmarkRoom(job: Job): void {
  job.packedBytes = lines(packedBytes(job));
  job.workBytes = lines(
    job.dOut ? backTileBytes(job) : max(rowBytes(job), tileBytes(job)),
  );
  job.sumsBytes = job.dOut ? lines(sumsBytes(job)) : 0;
}

function lines(bytes: u32): u32 {
  return (bytes + 63) & ~63;
}
