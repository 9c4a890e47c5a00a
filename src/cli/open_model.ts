import { type Cairn, open } from "../cairn.ts";
import type { CommonValues, Context } from "./command.ts";

/** Opens the model that the options name, or the embedded one. */
export async function openModel(values: CommonValues, context: Context): Promise<Cairn> {
  const { model, device, threads } = values;
  const { folder, files } = model === undefined
    ? await context.resources.model()
    : { folder: model, files: context.files };
  return await open(folder, { device, threads, files, disk: context.files });
}
