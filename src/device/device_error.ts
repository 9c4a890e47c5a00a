/** A device that is missing, lost, or cannot do what was asked of it. */
export class DeviceError extends Error {
  /** Tells it from other errors. */
  override name = "DeviceError";
}
