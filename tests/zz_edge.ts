import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createHandler, type EdgeCapacity } from "../src/edge.ts";
import { startWorker, type WorkerModule } from "./zz_workerd.ts";

const ROOT = new URL("../", import.meta.url);
const KEY = "The pass key is 48213. Remember it. 48213 is the pass key.";
const QUESTION = encodeURIComponent("\nWhat is the pass key? The pass key is");

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(path, ROOT));
}

/** The book's beginning, with the key a third of the way in. */
function textOf(letters: number): string {
  const book = new TextDecoder().decode(bytesOf("books/opticks.txt").subarray(0, letters));
  const at = book.indexOf(" ", letters / 3);
  return `${book.slice(0, at)}\n${KEY}\n${book.slice(at + 1)}`;
}

async function bundled(): Promise<Uint8Array> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "src/edge.ts"],
    cwd: ROOT,
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

function workerModules(edge: Uint8Array): WorkerModule[] {
  const entry = `
    import { createHandler } from "./edge.js";
    import kernels from "./relaxed.wasm";
    import config from "./config.json";
    import weights from "./model.safetensors";
    const model = { "config.json": config, "model.safetensors": weights };
    const h = createHandler({ kernels, model, memoryLayers: [3,4,5], maxTokens: 7 });
export default {async fetch(r){ if (r.url.endsWith("/gc")) { gc(); await new Promise(r=>setTimeout(r,200)); gc(); return new Response("x"); } return h.fetch(r);}};`;
  return [
    { name: "worker.js", kind: "esModule", contents: entry },
    { name: "edge.js", kind: "esModule", contents: edge },
    { name: "relaxed.wasm", kind: "wasm", contents: bytesOf("build/relaxed.wasm") },
    { name: "config.json", kind: "data", contents: bytesOf("models/tiny/config.json") },
    { name: "model.safetensors", kind: "data", contents: bytesOf("models/tiny/model.safetensors") },
  ];
}


await using worker = await startWorker(workerModules(await bundled()));
const list = await (await fetch("http://127.0.0.1:19229/json")).json();
console.log(list.map((x:any)=>x.webSocketDebuggerUrl));
const ws = new WebSocket(list[0].webSocketDebuggerUrl); await new Promise(r=>ws.onopen=r);
let id=0; const heap=()=>new Promise<any>(r=>{const me=++id; ws.addEventListener("message",(e)=>{const m=JSON.parse(e.data); if(m.id===me) r(m.result??m.error);}); ws.send(JSON.stringify({id:me,method:"Runtime.getHeapUsage"}))});
console.log(await heap());
console.log("start", worker.residentBytes()/1e6);
const capacity = await (await fetch(worker.url)).json();
console.log(capacity, worker.residentBytes()/1e6);
for (const n of [6000, 12000, 20000, capacity.tokens-200]) {
  const t0=performance.now();
  const r = await fetch(worker.url+"?question="+QUESTION,{method:"POST",body:textOf(n)});
  const h0 = await heap(); const before=worker.residentBytes()/1e6; await (await fetch(worker.url+"gc")).text();
  const h1=await heap(); console.log(h0,h1,before,n, r.status, [...r.headers].filter(h=>h[0].startsWith("cairn")), await r.text(), (performance.now()-t0)|0, worker.residentBytes()/1e6);
}

ws.close();
