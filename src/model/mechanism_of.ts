import { landmarkMechanism } from "../attention/landmark.ts";
import type { Mechanism } from "../attention/mechanism.ts";
import type { ModelConfig } from "./config.ts";
import { ropeFrequencies } from "./rope_scaling.ts";

/** What a model looks back with. */
export function mechanismOf(config: ModelConfig): Mechanism {
  return landmarkMechanism({ ...config, frequencies: ropeFrequencies(config) }, config.landmark!);
}
