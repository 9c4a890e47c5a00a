// The module of kernels: every file that exports some. Addresses are bytes, counts are elements.
export * from "./adam_w";
export * from "./add";
export { blockPlan } from "./block_plan";
export * from "./block_table";
export * from "./choose_blocks";
export * from "./cross_entropy";
export * from "./fill";
export * from "./gather";
export * from "./heap";
export { infiniAttentionRead, infiniAttentionWrite } from "./infini_attention";
export {
  infiniBackMemories,
  infiniBackNormalizers,
  infiniBackRest,
  infiniBackRows,
} from "./infini_attention_backward";
export { infiniWrite } from "./infini_write";
export { infiniRoom } from "./infini_work";
export { landmarkAttention } from "./landmark_attention";
export { landmarkAttentionBackward } from "./landmark_attention_backward";
export { packLandmark } from "./landmark_pack";
export { landmarkRoom } from "./landmark_room";
export { landmarkAttentionRows } from "./landmark_rows";
export * from "./landmark_scores";
export { addLandmarkGradients } from "./landmark_sums";
export { matmul, matmulScratch } from "./matmul";
export * from "./mean_rows";
export { memoryAttention } from "./memory_attention";
export * from "./rms_norm";
export * from "./rope";
export * from "./seal_blocks";
export * from "./sum_squares";
export * from "./swi_glu";
export { joinRows, joinRowsBackward } from "./join_rows";
export { windowAttention } from "./window_attention";
export { windowAttentionBackward } from "./window_attention_backward";
export { packWindow } from "./window_pack";
export { windowRoom } from "./window_room";
export { windowAttentionRows } from "./window_rows";
export { addWindowGradients } from "./window_sums";
export { setThread } from "./thread";
