/** The rotary frequencies of a model, and the two stretchings of them that Llama models use. */
import type { Fields } from "./config_fields.ts";

/** How rotary frequencies are stretched so that a model reads past its first training length. */
export type RopeScaling =
  /** Every frequency divided by `factor` (Chen et al., arXiv 2306.15595). */
  | { readonly kind: "linear"; readonly factor: number }
  /**
   * Wavelengths above `originalContext / lowFactor` are stretched by `factor`, those below
   * `originalContext / highFactor` not at all, those between in part (Llama 3.1).
   */
  | {
    readonly kind: "llama3";
    readonly factor: number;
    readonly lowFactor: number;
    readonly highFactor: number;
    readonly originalContext: number;
  };

/** What {@linkcode ropeFrequencies} needs of a model's configuration. */
export interface RopeSettings {
  /** D. */
  readonly headDim: number;
  /** The base θ. */
  readonly ropeTheta: number;
  /** None by default. */
  readonly ropeScaling?: RopeScaling | undefined;
}

/**
 * Radians that each pair of a head's dimensions turns by a position.
 *
 * @returns f64 [D/2], fastest first: θ^(−2i/D), stretched as the configuration says.
 */
export function ropeFrequencies(settings: RopeSettings): Float64Array {
  const { headDim, ropeTheta, ropeScaling } = settings;
  return Float64Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = ropeTheta ** (-2 * i / headDim);
    return ropeScaling === undefined ? frequency : stretch(frequency, ropeScaling);
  });
}

function stretch(frequency: number, scaling: RopeScaling): number {
  if (scaling.kind === "linear") return frequency / scaling.factor;
  const { factor, lowFactor, highFactor, originalContext } = scaling;
  const turns = originalContext * frequency / (2 * Math.PI); // in the first training's context
  const kept = (turns - lowFactor) / (highFactor - lowFactor);
  const share = Math.min(1, Math.max(0, kept));
  return share * frequency + (1 - share) * frequency / factor;
}

/** Reads `rope_scaling`. */
export function readRopeScaling(scaling: Fields | undefined): RopeScaling | undefined {
  if (scaling === undefined) return undefined;
  // Older files say "type".
  const name = scaling.value("rope_type") === undefined ? "type" : "rope_type";
  const kind = scaling.value(name);
  const factor = (): number => scaling.number("factor", { min: 1, max: 1e6 });
  if (kind === "default") return undefined;
  if (kind === "linear") return { kind, factor: factor() };
  if (kind === "llama3") {
    const lowFactor = scaling.number("low_freq_factor", { min: 1e-6, max: 1e6 });
    const highFactor = scaling.number("high_freq_factor", { min: 1e-6, max: 1e6 });
    if (highFactor <= lowFactor) {
      throw scaling.wrong("high_freq_factor", `more than low_freq_factor, ${lowFactor}`);
    }
    const originalContext = scaling.integer("original_max_position_embeddings", {
      min: 1,
      max: 2 ** 31,
    });
    return { kind, factor: factor(), lowFactor, highFactor, originalContext };
  }
  throw scaling.wrong(name, `"linear", "llama3" or "default"`);
}

/** The `rope_scaling` that {@linkcode readRopeScaling} reads back. */
export function ropeScalingJson(scaling: RopeScaling | undefined): unknown {
  if (scaling === undefined) return null;
  if (scaling.kind === "linear") return { rope_type: "linear", factor: scaling.factor };
  return {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.lowFactor,
    high_freq_factor: scaling.highFactor,
    original_max_position_embeddings: scaling.originalContext,
  };
}
