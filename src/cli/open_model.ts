import { type Cairn, open } from "../cairn.ts";
import type { CommonValues, Context } from "./command.ts";
import { deviceOptions } from "./device_options.ts";

/** Opens the model that the options name, or the embedded one. */
export async function openModel(values: CommonValues, context: Context): Promise<Cairn> {
  const { folder, files } = values.model === undefined
    ? await context.resources.model()
    : { folder: values.model, files: context.files };
  using stack = new DisposableStack();
  const { options } = stack.use(await deviceOptions(values));
  const cairn = stack.use(await open(folder, { ...options, files, disk: context.files }));
  const owned = stack.move();
  return { ...cairn, [Symbol.dispose]: () => owned.dispose() };
}
