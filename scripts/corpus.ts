// Makes the text that the embedded model learns from: FOLDER/<name>.txt and FOLDER/SOURCES.md,
// out of documentation in Debian packages whose licences allow it (scripts/corpus_sources.ts).
//
//     deno run -A scripts/corpus.ts FOLDER
//
// It needs apt-get and dpkg, but not root, and writes to FOLDER and a temporary folder only. The
// same versions of the packages give the same text.

import { type CorpusSource, INDEX_PAGE, SOURCES } from "./corpus_sources.ts";
import { decode, htmlToText, toAscii } from "./corpus_text.ts";

/** A line that this share of a source's documents has is navigation. */
const COMMON_SHARE = 0.1;
/** Shorter paragraphs may come again, such as "Example:". */
const SHORTEST_COPY = 80;
/** As many paragraphs of one short line after another are a list of words. */
const LONGEST_LIST = 8;
/** Shorter documents say nothing. */
const SHORTEST_DOCUMENT = 400;

interface Made {
  readonly source: CorpusSource;
  readonly versions: readonly string[];
  readonly bytes: number;
}

function command(name: string, args: readonly string[], cwd: string): string {
  const { code, stdout, stderr } = new Deno.Command(name, {
    ...{ args: [...args], cwd, stdin: "null", env: { LC_ALL: "C" } },
  }).outputSync();
  if (code !== 0) {
    throw new Error(`Cannot run ${name} ${args.join(" ")}:\n${new TextDecoder().decode(stderr)}`);
  }
  return decode(stdout);
}

/** Downloads a package and unpacks it over what `to` holds; its version. */
function unpack(name: string, to: string): string {
  const at = Deno.makeTempDirSync({ dir: to });
  command("apt-get", ["download", "-qq", "-o", "APT::Sandbox::User=root", name], at);
  const [archive] = [...Deno.readDirSync(at)];
  command("dpkg", ["-x", archive.name, to], at);
  const version = command("dpkg-deb", ["-f", archive.name, "Version"], at).trim();
  Deno.removeSync(at, { recursive: true });
  return version;
}

/** Paths of the pages in a folder, those of the folders in it included, sorted. */
function pages(folder: string, inside = ""): string[] {
  const found: string[] = [];
  for (const { name, isDirectory, isFile } of Deno.readDirSync(`${folder}/${inside}`)) {
    if (isDirectory) found.push(...pages(folder, `${inside}${name}/`));
    else if (isFile && name.endsWith(".html")) found.push(inside + name);
  }
  return found.sort();
}

async function documents(source: CorpusSource, root: string): Promise<string[]> {
  const folder = `${root}/${source.folder}`;
  switch (source.kind ?? "html") {
    case "html":
      return pages(folder)
        .filter((path) => !INDEX_PAGE.test(path) && !source.except?.test(path))
        .map((path) => htmlToText(decode(Deno.readFileSync(`${folder}/${path}`))));
    case "bible": {
      const args = ["-p", folder, "-l76", "gen1:1-rev22:21"];
      return [toAscii(command(`${root}/usr/bin/bible`, args, root))];
    }
    case "jargon": {
      const packed = (await Deno.open(`${folder}/jargon.txt.gz`)).readable;
      const plain = packed.pipeThrough(new DecompressionStream("gzip"));
      const text = await new Response(plain).text();
      // Tables drawn with lines are the file's own history.
      return [toAscii(text.replace(/^.*[│┌├└].*\n/gm, "").replace(/^ {3}/gm, ""))];
    }
  }
}

/** Lines that most documents share, paragraphs seen before, and lists of words go. */
function clean(texts: readonly string[], seen: Set<string>): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const line of new Set(text.split("\n").map((line) => line.trim()))) {
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
  }
  const common = Math.max(20, COMMON_SHARE * texts.length);
  const cleaned: string[] = [];
  for (const text of texts) {
    const lines = text.split("\n").filter((line) => {
      const plain = line.trim();
      // Braces and the like are common too, but belong to listings.
      return (counts.get(plain) ?? 0) < common || !/\w{3}/.test(plain);
    });
    const paragraphs = lines.map((line) => line.trimEnd()).join("\n").split(/\n{2,}/)
      .map((paragraph) => paragraph.replace(/^\n+|\n+$/g, ""))
      .filter((paragraph) => /[A-Za-z]{2}/.test(paragraph) && isNew(paragraph, seen));
    const document = withoutLists(paragraphs).join("\n\n");
    if (document.length >= SHORTEST_DOCUMENT) cleaned.push(document);
  }
  return cleaned;
}

function isNew(paragraph: string, seen: Set<string>): boolean {
  if (paragraph.length < SHORTEST_COPY) return true;
  if (seen.has(paragraph)) return false;
  seen.add(paragraph);
  return true;
}

function withoutLists(paragraphs: readonly string[]): string[] {
  const kept: string[] = [];
  let list: string[] = [];
  for (const paragraph of [...paragraphs, undefined]) {
    if (paragraph !== undefined && /^.{0,60}[^.:;?!]$/.test(paragraph)) list.push(paragraph);
    else {
      if (list.length < LONGEST_LIST) kept.push(...list);
      if (paragraph !== undefined) kept.push(paragraph);
      list = [];
    }
  }
  return kept;
}

function table(made: readonly Made[]): string {
  const rows = made.map(({ source, versions, bytes }) => {
    const packages = source.packages.map((name, i) => `${name} ${versions[i]}`).join(", ");
    return `| ${source.name}.txt | ${packages} | ${source.licence} | ${bytes} |`;
  });
  const sum = made.reduce((total, { bytes }) => total + bytes, 0);
  return `# Sources

Plain text of documentation in Debian packages, made by \`scripts/corpus.ts\`. The licences are those
of the documents taken; each package's copyright file, which Debian keeps at
\`/usr/share/doc/<package>/copyright\`, names the authors.

| file | package and version | licence | bytes |
| --- | --- | --- | ---: |
${rows.join("\n")}

${sum} bytes in all.
`;
}

if (Deno.args.length !== 1) {
  console.error("Usage: deno run -A scripts/corpus.ts FOLDER");
  Deno.exit(2);
}
const [folder] = Deno.args;
Deno.mkdirSync(folder, { recursive: true });
const made: Made[] = [];
const seen = new Set<string>();
for (const source of SOURCES) {
  const root = Deno.makeTempDirSync({ prefix: "corpus-" });
  try {
    const versions = source.packages.map((name) => unpack(name, root));
    const text = clean(await documents(source, root), seen).join("\n\n") + "\n";
    Deno.writeTextFileSync(`${folder}/${source.name}.txt`, text);
    made.push({ source, versions, bytes: text.length });
    console.log(`${source.name}.txt  ${text.length} bytes  ${versions.join(", ")}`);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}
Deno.writeTextFileSync(`${folder}/SOURCES.md`, table(made));
