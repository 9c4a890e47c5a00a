import type { DeviceInfo } from "../device/device.ts";
import { type DeviceName, openDevice } from "../device/open.ts";
import { type Command, command, type CommonValues, noWords } from "./command.ts";
import { facts, paint, plural, type Terminal } from "./terminal.ts";

/** A device by its name: what it is, or why it is not there. */
type Found =
  & { device: DeviceName }
  & (
    | { available: true; info: DeviceInfo }
    | { available: false; reason: string }
  );

const NAMES: readonly DeviceName[] = ["auto", "cpu", "gpu", "reference"];

/** `cairn devices` */
export const devices: Command = command({
  name: "devices",
  summary: "What can compute here, and which of it is taken.",
  usage: "",
  options: {},
  examples: [["devices", "what auto takes, and what there is"]],
  async run(values, words, { terminal }) {
    noWords(words);
    const found = await Promise.all(NAMES.map((name) => look(name, values)));
    if (values.json) terminal.out(`${JSON.stringify(found)}\n`);
    else terminal.out(found.map((each) => describe(each, terminal)).join(""));
  },
});

async function look(device: DeviceName, { threads }: CommonValues): Promise<Found> {
  try {
    using opened = await openDevice({ device, threads });
    return { device, available: true, info: opened.info };
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "DeviceError") throw error;
    return { device, available: false, reason: error.message };
  }
}

function describe(found: Found, terminal: Terminal): string {
  const name = paint(terminal, "bold", found.device);
  if (!found.available) return `${name}: ${found.reason}\n`;
  const { info } = found;
  if (found.device === "auto") return `${name} takes ${info.kind}\n`;
  return `${name}: ${info.name}, ${plural(info.threads, "thread")}\n` +
    facts(terminal, Object.entries(info.details).map(([key, value]) => [key, String(value)]));
}
