const PACKAGE = "npm:workerd@1.20261023.1";

/**
 * The path of the program. It is asked for in a process of its own, far from deno.json and its
 * lock: whatever those name is downloaded by everyone who runs anything here, and this is 100 MB.
 */
async function workerdPath(folder: string): Promise<string> {
  const script = `import workerd from "${PACKAGE}"; console.log(workerd.default);`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", "--quiet", script],
    cwd: folder,
  }).output();
  if (code !== 0) throw new Error(`Cannot get workerd: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** A worker that runs in the real workerd, on loopback. */
export interface RunningWorker extends AsyncDisposable {
  readonly url: string;
  /** Of the whole process, as the operating system counts it; NaN where it does not say. */
  residentBytes(): number;
}

/** One module of a worker: what it is, and where. */
export interface WorkerModule {
  readonly name: string;
  readonly kind: "esModule" | "wasm" | "data" | "text";
  readonly contents: Uint8Array | string;
}

/** Starts workerd with a worker; the first module is its entry. */
export async function startWorker(modules: readonly WorkerModule[]): Promise<RunningWorker> {
  const folder = await Deno.makeTempDir();
  const port = freePort();
  for (const { name, contents } of modules) {
    const path = `${folder}/${name}`;
    if (typeof contents === "string") await Deno.writeTextFile(path, contents);
    else await Deno.writeFile(path, contents);
  }
  await Deno.writeTextFile(`${folder}/config.capnp`, configOf(modules, port));
  const process = new Deno.Command(await workerdPath(folder), {
    args: ["serve", "config.capnp"],
    cwd: folder,
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const worker: RunningWorker = {
    url: `http://127.0.0.1:${port}/`,
    residentBytes: () => residentBytes(process.pid),
    async [Symbol.asyncDispose]() {
      process.kill();
      await process.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
  await untilReady(worker, process);
  return worker;
}

function configOf(modules: readonly WorkerModule[], port: number): string {
  const list = modules.map(({ name, kind }) => `(name = "${name}", ${kind} = embed "${name}")`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = ["--expose-gc"],
  services = [(name = "main", worker = (
    modules = [${list.join(", ")}],
    compatibilityDate = "2026-10-01",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilReady(worker: RunningWorker, process: Deno.ChildProcess): Promise<void> {
  let ended = false;
  process.status.then(() => ended = true);
  for (let tries = 0; tries < 300 && !ended; tries++) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: portOf(worker) });
      connection.close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await worker[Symbol.asyncDispose]();
  throw new Error("Cannot test as workerd did not start: what it wrote stands above");
}

function portOf(worker: RunningWorker): number {
  return Number(new URL(worker.url).port);
}

function residentBytes(pid: number): number {
  try {
    const line = Deno.readTextFileSync(`/proc/${pid}/status`).match(/VmRSS:\s+(\d+) kB/);
    return line ? Number(line[1]) * 1024 : NaN;
  } catch {
    return NaN; // not Linux
  }
}
