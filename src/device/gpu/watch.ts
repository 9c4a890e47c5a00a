/** What went wrong on a GPU, which it tells late: kept, and thrown by the next call. */

import { DeviceError } from "../device_error.ts";

/** Keeps watch over a device. */
export interface Watch {
  /** @throws {DeviceError} If the device can do no further work. */
  check(): void;
  /** A buffer; if there is no memory for it, what is thrown later says so. */
  buffer(descriptor: GPUBufferDescriptor): GPUBuffer;
  /** The device is no longer used: nothing that happens to it matters. */
  close(): void;
}

const AGAIN = "open it again";
const RESTORE = "and restore sessions from their last snapshots";

/** Watches over a device that messages call `name`; `bytes` is what its buffers hold. */
export function watch(device: GPUDevice, name: string, bytes: () => number): Watch {
  let open = true;
  // What comes first is not always the cause: a buffer for which there was no memory is refused by
  // every command, and a device may be lost for it.
  let full: string | undefined;
  let lost: string | undefined;
  let refused: string | undefined;
  const outOfMemory = (what: string, { message }: GPUError): void => {
    full ??= `Cannot go on as ${name} has no memory for ${what} (${message}). ` +
      `It takes no further work: ${AGAIN}, with less to hold, ${RESTORE}`;
  };
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event as GPUUncapturedErrorEvent;
    if (error.constructor.name === "GPUOutOfMemoryError") outOfMemory("a command", error);
    else refused ??= `Cannot go on as ${name} refused a command: ${error.message}`;
  });
  device.lost.then(({ reason, message }) => {
    lost = `Cannot go on as the device ${name} was lost (${reason || "unknown"}): ${message}. ` +
      `All that it held is gone: ${AGAIN}, ${RESTORE}`;
  });
  return {
    check() {
      if (!open) throw new DeviceError(`Cannot use ${name} as it was closed`);
      const problem = full ?? lost ?? refused;
      if (problem !== undefined) throw new DeviceError(problem);
    },
    buffer(descriptor) {
      const held = bytes();
      device.pushErrorScope("out-of-memory");
      const buffer = device.createBuffer(descriptor);
      device.popErrorScope().then((error) => {
        const { size } = descriptor;
        if (error) outOfMemory(`a buffer of ${size} bytes beside the ${held} it holds`, error);
      }, () => {/* the device is lost, which is told by itself */});
      return buffer;
    },
    close: () => void (open = false),
  };
}
