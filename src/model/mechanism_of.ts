import { BESIDE_GATE, besideMechanism } from "../attention/mixture/beside.ts";
import { infiniMechanism } from "../attention/infini/mechanism.ts";
import { landmarkMechanism } from "../attention/landmark/mechanism.ts";
import { layeredMechanism } from "../attention/mixture/layered.ts";
import type { Mechanism } from "../attention/mechanism.ts";
import type { HeadShape } from "../memory/head_shape.ts";
import { windowMechanism } from "../attention/cache/window.ts";
import { xlMechanism } from "../attention/cache/xl.ts";
import type { MechanismName } from "./attention_config.ts";
import type { ModelConfig } from "./config.ts";
import { ropeFrequencies } from "./rope_scaling.ts";

/** What a model looks back with. */
export function mechanismOf(config: ModelConfig): Mechanism {
  const { mechanisms } = config;
  const frequencies = ropeFrequencies(config);
  const names = [...new Set(mechanisms)];
  const parts = names.map((name) => {
    const layers = [...mechanisms.keys()].filter((layer) => mechanisms[layer] === name);
    const heads = { ...config, frequencies, layers: layers.length };
    return { layers, mechanism: mechanismNamed(name, config, heads, layers) };
  });
  return parts.length === 1 ? parts[0].mechanism : layeredMechanism(parts);
}

/** One of them, for the layers that have it; it counts those from 0. */
function mechanismNamed(
  name: MechanismName,
  { landmark, infini, xl, window }: ModelConfig,
  heads: HeadShape & { readonly width: number },
  layers: readonly number[],
): Mechanism {
  if (name === "landmark") {
    const memoryLayers = landmark!.memoryLayers.map((layer) => layers.indexOf(layer));
    const blocks = landmarkMechanism(heads, { ...landmark!, memoryLayers });
    const { memory } = landmark!;
    if (!memory) return blocks;
    return besideMechanism(
      blocks,
      infiniMechanism(heads, { ...memory, gateStart: BESIDE_GATE }),
    );
  }
  if (name === "infini") return infiniMechanism(heads, infini!);
  if (name === "xl") return xlMechanism(heads, xl!);
  return windowMechanism(heads, { ...window!, border: landmark?.blockSize });
}
