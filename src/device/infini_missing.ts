import { DeviceError } from "./device_error.ts";
import type { InfiniOperations } from "./infini.ts";

/** What a device without kernels for Infini-attention says. */
export function infiniMissing(device: string): InfiniOperations {
  const refuse = (): never => {
    throw new DeviceError(
      `Cannot run Infini-attention on the ${device} as it has no kernels for it`,
    );
  };
  return {
    infiniAttention: refuse,
    infiniAttentionBackward: refuse,
    infiniRead: refuse,
    infiniWrite: refuse,
  };
}
