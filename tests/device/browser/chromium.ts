/** A browser without a window, whose GPU is SwiftShader. */

/** What Chromium is called. */
const NAMES = ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"];
/** WebGPU is behind a flag on Linux; the sandbox does not start for root. */
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--disable-gpu-watchdog", // SwiftShader compiles a kernel for seconds
  // SwiftShader clears workgroup memory by one store for each number, and compiles those for longer
  // than all else: so a loop clears it.
  "--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension",
  "--disable-dev-shm-usage",
  "--no-first-run",
];

/** Where a Chromium is: CHROMIUM, or the first on the PATH. */
export function chromiumPath(): string | undefined {
  const named = Deno.env.get("CHROMIUM");
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter(Boolean);
  const places = NAMES.flatMap((name) => folders.map((folder) => `${folder}/${name}`));
  return [...named ? [named] : [], ...places].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Opens a page; the browser ends when it is disposed of. */
export async function openPage(chromium: string, url: string): Promise<AsyncDisposable> {
  const profile = await Deno.makeTempDir();
  const process = new Deno.Command(chromium, {
    args: [...FLAGS, `--user-data-dir=${profile}`, url],
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await removeWhenFree(profile);
    },
  };
}

/** Its children write for a moment longer. */
async function removeWhenFree(folder: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
