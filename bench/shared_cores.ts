/**
 * What threads are worth where other processes keep cores busy: the square product in GFLOP/s and
 * text read with the embedded model in tokens a second, on one thread and on two, beside 0, 1 and 2
 * processes that only count:
 *
 *   deno task bench:shared [ROUNDS] [CHECKOUT …]
 *
 * Every figure is from a process of its own that measures for two seconds each, in turns with all
 * the others; every round is shown, then the median. Checkouts of other versions, with their kernels
 * built, are measured in turn with this one.
 */
const [command = "3", ...others] = Deno.args;
const here = new URL("../", import.meta.url);

if (command === "measure") await measure(new URL(others[0]), Number(others[1]));
else if (command === "count") { for (;;); }
else await measureAll(Number(command));

async function measureAll(rounds: number): Promise<void> {
  const roots = [here, ...others.map((path) => new URL(`file://${Deno.realPathSync(path)}/`))];
  const rows = roots.flatMap((root) =>
    [0, 1, 2].flatMap((busy) => [1, 2].map((threads) => ({ root, busy, threads })))
  );
  const results = rows.map((row) => ({ ...row, products: [] as number[], reads: [] as number[] }));
  results.sort((a, b) => a.busy - b.busy);
  for (let round = 0; round < rounds; round++) {
    for (const { root, busy, threads, products, reads } of results) {
      const counting = Array.from({ length: busy }, () => start("count", []));
      try {
        const [product, read] = await resultOf(start("measure", [root.href, `${threads}`]));
        products.push(product);
        reads.push(read);
      } finally {
        for (const process of counting) process.kill("SIGKILL");
        await Promise.all(counting.map((process) => process.status));
      }
    }
  }
  for (const { root, busy, threads, products, reads } of results) {
    console.log(
      `${busy} busy, ${threads} threads  ${cells(products, 5)}  ${
        cells(reads, 6)
      }  ${root.pathname}`,
    );
  }
}

/** Runs this script in a session of its own, as another program would be. */
function start(what: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", import.meta.filename!, what, ...args],
    stdout: "piped",
    detached: true,
  }).spawn();
}

async function resultOf(process: Deno.ChildProcess): Promise<number[]> {
  const { stdout } = await process.output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

function cells(list: readonly number[], width: number): string {
  const middle = list.toSorted((a, b) => a - b)[list.length >> 1];
  return [...list, middle].map((x) => x.toFixed(0).padStart(width)).join("");
}

async function measure(root: URL, threads: number): Promise<never> {
  const { open } = await import(new URL("mod.ts", root).href);
  const { openDevice } = await import(new URL("src/device/open.ts", root).href);
  let product: number;
  {
    using device = await openDevice({ device: "cpu", threads });
    using a = device.tensor([768, 768]);
    using b = device.tensor([768, 768]);
    using out = device.tensor([768, 768]);
    product = await perSecond(() => device.matmul(a, b, out)) * 2 * 768 ** 3 / 1e9;
  }
  using cairn = await open(new URL("models/tiny", root).pathname, { device: "cpu", threads });
  using session = cairn.session();
  const text = Deno.readTextFileSync(new URL("books/opticks.txt", root)).slice(0, 1000);
  const read = await perSecond(() => session.read(text)) * text.length;
  console.log(JSON.stringify([product, read]));
  Deno.exit();
}

/** How often something can be done, over two seconds, after half a second to warm up. */
async function perSecond(run: () => unknown): Promise<number> {
  for (const end = performance.now() + 500; performance.now() < end;) await run();
  const begun = performance.now();
  let count = 0;
  for (; performance.now() - begun < 2000; count++) await run();
  return count * 1000 / (performance.now() - begun);
}
