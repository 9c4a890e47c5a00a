/** The index of a checkpoint that is cut into several files. */
import { type Files, readText } from "../../io/files.ts";
import { isRecord, parseJson } from "../json.ts";
import { CheckpointError } from "./checkpoint_error.ts";

const INDEX_LIMIT_BYTES = 2 ** 26;

/** The files that a `model.safetensors.index.json` names, sorted. */
export async function readShardNames(files: Files, path: string): Promise<string[]> {
  const text = await readText(files, path, { limitBytes: INDEX_LIMIT_BYTES });
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw new CheckpointError(path, "", `it must be JSON: ${(cause as Error).message}`, { cause });
  }
  const map = isRecord(json) ? json["weight_map"] : undefined;
  if (!isRecord(map)) {
    throw new CheckpointError(path, "", `its "weight_map" must be an object: tensor to file`);
  }
  for (const [tensor, name] of Object.entries(map)) {
    // A name with a path could reach any file of the machine.
    if (typeof name !== "string" || !/^[\w-][\w.-]*\.safetensors$/.test(name)) {
      const problem = `its file must be NAME.safetensors beside the index`;
      throw new CheckpointError(
        path,
        tensor,
        `${problem}: current value is ${JSON.stringify(name)}`,
      );
    }
  }
  return [...new Set(Object.values(map) as string[])].sort();
}
