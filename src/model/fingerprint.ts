import type { Device } from "../device/device.ts";
import { formatConfig, type ModelConfig } from "./config.ts";
import type { Model } from "./transformer.ts";

/**
 * What tells one model from every other: SHA-256 over its configuration and the numbers of its
 * weights, as hexadecimal digits; the same on every device. Settings that only say how a session
 * reads by default are left out.
 */
export async function modelFingerprint(device: Device, model: Model): Promise<string> {
  const { config } = model;
  const { landmark } = config;
  const fixed: ModelConfig = {
    ...config,
    landmark: landmark &&
      { ...landmark, topBlocks: 1, chunk: landmark.blockSize, memoryLayers: [] },
    endTokens: [],
  };
  const parts = [await sha256(new TextEncoder().encode(formatConfig(fixed)))];
  for (const name of [...model.weights.keys()].sort()) {
    const numbers = await device.read(model.weights.get(name)!);
    const floats = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
    const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    parts.push(await sha256(new TextEncoder().encode(name)), await sha256(bytes));
  }
  const digest = await sha256(Uint8Array.from(parts.flatMap((part) => [...part])));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}
