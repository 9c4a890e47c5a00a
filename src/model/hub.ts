/** From a model's name to a folder with its files. */
import { type Files, isFile, joinPath } from "../io/files.ts";
import { downloadModel, type DownloadOptions } from "./download.ts";

/** A model that cannot be found or downloaded. */
export class HubError extends Error {
  /** Its class, also across realms. */
  override name = "HubError";
  /** The name that was asked for. */
  readonly model: string;

  /** Takes what comes after "as" in the message. */
  constructor(model: string, problem: string, options?: ErrorOptions) {
    super(`Cannot find the model "${model}" as ${problem}`, options);
    this.model = model;
  }
}

/** Options of {@linkcode findModel}. */
export interface FindOptions extends DownloadOptions {
  /** Folders that hold models by name, the first one first. @default {["models"]} */
  folders?: readonly string[] | undefined;
  /** A folder for downloaded models; without it nothing is downloaded. */
  cache?: string | undefined;
  /** Where models are downloaded from, as `https://huggingface.co`; without it none is. */
  origin?: string | undefined;
}

/** OWNER/NAME, as the Hugging Face hub has them. */
const HUB_NAME = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

/**
 * Finds the folder of a model: `name` itself, if it is the path of one; else the folder of that
 * name in `folders`, then in `cache`; else it is downloaded from `origin` into `cache`.
 *
 * @throws {HubError} If it is nowhere: the message says what was tried.
 */
export async function findModel(
  files: Files,
  name: string,
  options: FindOptions = {},
): Promise<string> {
  const { folders = ["models"], cache, origin } = options;
  const places = [name, ...folders.map((folder) => joinPath(folder, name))];
  const isHubName = HUB_NAME.test(name);
  if (cache !== undefined && isHubName) places.push(joinPath(cache, name));
  for (const folder of places) {
    if (await isFile(files, joinPath(folder, "config.json"))) return folder;
  }
  const tried = `none of these folders has a config.json: ${places.map(quoted).join(", ")}`;
  if (!isHubName) throw new HubError(name, `${tried}; and it is no OWNER/NAME to download`);
  if (cache === undefined || origin === undefined) {
    throw new HubError(
      name,
      `${tried}; and it was not to be downloaded (no cache or origin given)`,
    );
  }
  const folder = joinPath(cache, name);
  await downloadModel(files, { name, origin, folder }, options);
  return folder;
}

function quoted(path: string): string {
  return JSON.stringify(path);
}
