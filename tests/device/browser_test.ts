import { deepEqual, equal, match, ok } from "node:assert/strict";
import { open } from "../../mod.ts";
import { goldenFiles, type Outcome } from "../golden/golden.ts";
import { chromiumPath, openPage } from "./browser/chromium.ts";
import type { PageReport } from "./browser/golden_page.ts";
import { answersTo, type Question } from "./browser/question.ts";

const GOLDEN = new URL("../golden", import.meta.url).pathname;
/** Of the other mechanisms a case each: SwiftShader compiles the kernels of one for ten seconds. */
const OTHERS = ["window13_gqa_t40_d24", "xl_cache_shorter_gqa_t20_m7_d40"].map((name) =>
  new URL(`../golden_xl/${name}.safetensors`, import.meta.url).pathname
);
const MODEL = new URL("../../models/tiny", import.meta.url).pathname;
/** Greedy, and by numbers drawn from a seed. */
const QUESTION: Question = {
  text: "It was a fair day. The pass key is 47295. Remember it: 47295 is the pass key.\n".padEnd(
    200,
    "The light of the sun consists of rays that are bent by different angles. ",
  ),
  asked: [
    { prompt: " What is the pass key? The pass key is", options: { temperature: 0, maxTokens: 7 } },
    {
      prompt: " The rays",
      options: { temperature: 0.9, topK: 20, topP: 0.9, seed: 3, maxTokens: 8 },
    },
  ],
};
const PAGE = new URL("browser/golden_page.ts", import.meta.url);
/** SwiftShader compiles the kernels of one case for some seconds, beside other tests for longer. */
const SILENCE_MS = 120_000;

const chromium = chromiumPath();
const required = Deno.env.get("CAIRN_REQUIRE_GPU") === "1";
const reason = chromium === undefined && !required ? " (there is no Chromium here)" : "";

async function bundled(): Promise<Uint8Array<ArrayBuffer>> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", PAGE.href],
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

/** What the page came to. */
interface Results {
  adapter: string;
  readonly outcomes: Map<string, readonly Outcome[]>;
  answers: readonly string[];
}

/** Collects what the page posts, until it ends or falls silent. */
function collector() {
  const results: Results = { adapter: "", outcomes: new Map(), answers: [] };
  const { promise, resolve, reject } = Promise.withResolvers<Results>();
  const silent = (): void => {
    const done = [...results.outcomes.keys()].join(", ") || "nothing";
    reject(new Error(`The page is silent since ${SILENCE_MS / 1000} s: it had done ${done}`));
  };
  let timer = setTimeout(silent, SILENCE_MS);
  return {
    results: promise,
    take(report: PageReport): void {
      clearTimeout(timer);
      timer = setTimeout(silent, SILENCE_MS);
      if (report.kind === "adapter") results.adapter = report.name;
      else if (report.kind === "case") results.outcomes.set(report.name, report.outcomes);
      else if (report.kind === "answer") results.answers = report.answers;
      else if (report.problem === undefined) resolve(results);
      else reject(new Error(report.problem));
    },
    stop: () => clearTimeout(timer),
  };
}

/** Serves the page, its cases, and the model. */
function servePage(script: Uint8Array<ArrayBuffer>) {
  const cases = new Map(
    [...goldenFiles(GOLDEN), ...OTHERS].map((path) => [path.split("/").at(-1)!, path]),
  );
  const { results, take, stop } = collector();
  const html = `<!doctype html><script type="module" src="page.js"></script>`;
  const of = (body: BodyInit, type: string): Response =>
    new Response(body, { headers: { "content-type": type } });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const path = decodeURIComponent(new URL(request.url).pathname);
      const file = cases.get(path.replace("/cases/", ""));
      if (file) return of(await Deno.readFile(file), "application/octet-stream");
      if (path === "/cases") return Response.json([...cases.keys()]);
      if (path === "/question") return Response.json(QUESTION);
      if (/^\/model\/(config\.json|model\.safetensors)$/.test(path)) {
        return of(await Deno.readFile(path.replace("/model", MODEL)), "application/octet-stream");
      }
      if (path === "/") return of(html, "text/html");
      if (path === "/page.js") return of(script, "text/javascript");
      if (path !== "/report") return new Response(null, { status: 404 });
      take(await request.json());
      return new Response();
    },
  );
  return {
    // Chromium takes it for as safe as HTTPS, which WebGPU needs.
    url: `http://127.0.0.1:${server.addr.port}/`,
    results,
    cases: [...cases.keys()],
    async [Symbol.asyncDispose]() {
      stop();
      await server.shutdown();
    },
  };
}

/** What the CPU answers. */
async function expectedAnswers(): Promise<string[]> {
  using cairn = await open(MODEL, { device: "cpu", threads: 1 });
  return await answersTo(cairn, QUESTION);
}

Deno.test({
  name: `golden cases are right in a browser, and the model answers as on a CPU${reason}`,
  ignore: reason !== "",
  async fn() {
    ok(chromium, "CAIRN_REQUIRE_GPU=1 needs a Chromium on the PATH, or named by CHROMIUM");
    await using served = servePage(await bundled());
    await using _page = await openPage(chromium, served.url);
    const { adapter, outcomes, answers } = await served.results;
    match(adapter, /\w/);
    deepEqual([...outcomes.keys()], served.cases);
    for (const [name, results] of outcomes) {
      deepEqual(results.filter(({ withinBounds }) => !withinBounds), [], name);
      ok(results.length >= 4, name);
    }
    deepEqual(answers, await expectedAnswers());
    match(answers[0], /47295/);
  },
});
