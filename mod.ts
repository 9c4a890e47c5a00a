/**
 * Cairn lets a transformer go back to any earlier block of its input, however long that input is,
 * at a cost per token that does not grow with it (landmark attention: Mohtashami & Jaggi,
 * arXiv 2305.16300). It trains such models, and serves them.
 *
 * @example Usage
 * ```ts
 * import { open } from "@cairn/runtime";
 *
 * using cairn = await open("models/tiny");
 * using session = cairn.session({ topBlocks: 4 });
 * await session.read(await Deno.readTextFile("README.md"));
 * for await (const piece of session.generate("The light", { maxTokens: 8 })) {
 *   console.log(piece.text, piece.blocks.length);
 * }
 * ```
 *
 * @module
 */
export { type Cairn, open, type OpenOptions } from "./src/cairn.ts";
export type { IdRange } from "./src/session/reader.ts";
export type { Inspection, LogitsOptions, Session } from "./src/session/session.ts";
export type { ReadOptions, ReadProgress, ReadStats } from "./src/session/reading.ts";
export type { TextSource } from "./src/session/text_source.ts";
export type { GenerateOptions, Piece } from "./src/session/generation.ts";
export { ReadError } from "./src/session/read_error.ts";
export type { BlockChoice, MemoryBudget, MemoryOptions } from "./src/memory/options.ts";
export type {
  BlockList,
  BlockTable,
  Bookkeeping,
  ChosenRows,
  EvictionPolicy,
  MissingPiece,
  Placement,
  TableShape,
} from "./src/device/bookkeeping.ts";
export type { HeadShape } from "./src/memory/head_shape.ts";
export type { BlocksRead } from "./src/memory/read_blocks.ts";
export { MemoryFullError, SnapshotError } from "./src/memory/memory_error.ts";
export type {
  Attend,
  Batch,
  BatchAttention,
  Capabilities,
  Handed,
  LayerInput,
  Marker,
  Mechanism,
  Negatives,
  OwnParameter,
  SavedState,
  State,
  StateOptions,
  StateUsage,
  Step,
  StepOptions,
  Window,
  WindowPass,
} from "./src/attention/mechanism.ts";
export { landmarkMechanism, type LandmarkOptions } from "./src/attention/landmark/mechanism.ts";
export {
  landmarkAttention,
  type LandmarkAttentionResult,
  type LandmarkAttentionShape,
} from "./src/attention/landmark/attention.ts";
export {
  type Build,
  type CpuDeviceOptions,
  type DeviceName,
  openDevice,
  type OpenDeviceOptions,
} from "./src/device/open.ts";
export type { InfiniInputs, InputOptions, Ops } from "./src/device/ops.ts";
export type * from "./src/device/device.ts";
export { DeviceError } from "./src/device/device_error.ts";
export type {
  FileInfo,
  Files,
  OpenOptions as OpenFileOptions,
  RandomAccessFile,
} from "./src/io/files.ts";
export { FileError, type FileProblem } from "./src/io/file_error.ts";
export { memoryFiles, type MemoryFilesOptions } from "./src/io/memory_files.ts";
export type { ModelConfig } from "./src/model/config.ts";
export type {
  AttentionConfig,
  CompressiveConfig,
  InfiniConfig,
  LandmarkConfig,
  MechanismName,
  WindowConfig,
  XlConfig,
} from "./src/model/attention_config.ts";
export type { RopeScaling } from "./src/model/rope_scaling.ts";
export type { StreamDecoder, StreamEncoder, Tokenizer } from "./src/model/tokenizer.ts";
export type { Model, Weights } from "./src/model/transformer.ts";
