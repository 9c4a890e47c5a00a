import type { DeviceInfo } from "../device/device.ts";
import { type DeviceName, openDevice } from "../device/open.ts";
import { type Command, command, type CommonValues, noWords } from "./command.ts";
import { deviceOptions } from "./device_options.ts";
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
    const found: Found[] = [];
    for (const device of NAMES) found.push(await look({ ...values, device }));
    if (values.json) terminal.out(`${JSON.stringify(found)}\n`);
    else terminal.out(found.map((each) => describe(each, terminal)).join(""));
  },
});

async function look(values: CommonValues): Promise<Found> {
  const { device } = values;
  try {
    using opened = await deviceOptions(values);
    using taken = await openDevice(opened.options);
    return { device, available: true, info: taken.info };
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
  const described = { ...info.details, tensorBytes: info.tensorBytes };
  const threads = info.kind === "gpu" ? "" : `, ${plural(info.threads, "thread")}`;
  return `${name}: ${info.name}${threads}\n` +
    facts(terminal, Object.entries(described).map(([key, value]) => [key, String(value)]));
}
