import { DeviceError } from "./device_error.ts";
import type { WindowOperations } from "./window.ts";

/** For a device whose kernels of windows are not written yet. */
export function windowMissing(device: string): WindowOperations {
  const missing = (operation: string) => (): void => {
    throw new DeviceError(`Cannot run ${operation} on the ${device} yet`);
  };
  return {
    windowAttention: missing("windowAttention"),
    windowAttentionBackward: missing("windowAttentionBackward"),
    joinRows: missing("joinRows"),
    joinRowsBackward: missing("joinRowsBackward"),
  };
}
