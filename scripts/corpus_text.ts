// Web pages and other documents to plain ASCII text, for scripts/corpus.ts.

/** Columns that running text is broken to. */
const WIDTH = 78;
/** A page that says it is in another language than English. */
const FOREIGN = /<html[^>]*\blang="(?!en)/i;
/** A page with a larger share of its letters in links is a list of pages. */
const MOST_LINKED = 0.5;

const DROPPED = /^(script|style|head|nav|header|footer|svg|button|form|noscript|select|aside)$/;
/** Navigation that only a class, an id or a role tells from text; of all sources together. */
const NAVIGATION = new RegExp(
  "\\b(?:class|id|role)\\s*=\\s*[\"']?(?:[^\"'>]*\\s)?(?:" + [
    ...["navigation", "search", "related", "sphinxsidebar", "sidebar", "headerlink", "footer"],
    ...["navheader", "navfooter", "toc", "contents", "toctree-wrapper", "fancy_toc", "nosearch"],
    ...["leftnav-tube", "topbar", "panel-sections", "title-link", "linenos", "mark", "gtoc"],
    ...["page-header", "quickview", "up", "toplang", "bottomlang", "path", "column2", "picker"],
    ...["apidoc_header", "docs-header", "docs-top-navigation-container", "fixed-sidebar", "hd"],
    ...["docs-bottom-navigation", "docs-copyright", "docs-version-header", "global-nav", "ft"],
    ...["buttons", "api_metadata", "srclink", "viewcode-link", "version_switcher_placeholder"],
    ...["menu", "header", "comments_section", "innertube-footer", "menu-bar", "nav"],
  ].join("|") + ")(?:[\"'\\s>]|$)",
);
const NAVIGATION_TABLE = /summary="Navigation|class="header"/;
const BLOCK =
  /^(p|div|section|article|main|body|table|ul|ol|dl|dd|blockquote|h[1-6]|pre|hr|figure|center|details|summary)$/;
const LINE = /^(br|li|dt|tr)$/;
const VOID = /^(br|hr|img|input|meta|link|col|area|base|wbr|embed|source|track|param)$/;

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", copy: "(c)", reg: "(R)" },
  ...{ mdash: "—", ndash: "–", hellip: "…", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”" },
  ...{ rarr: "→", larr: "←", times: "×", bull: "•", middot: "·", le: "≤", ge: "≥", ne: "≠" },
  ...{ laquo: "«", raquo: "»", eacute: "é", uuml: "ü", ouml: "ö", auml: "ä", trade: "™" },
  ...{ minus: "−", sect: "section ", thinsp: " ", ensp: " ", emsp: " ", lang: "<", rang: ">" },
};

const ASCII: readonly (readonly [RegExp, string])[] = [
  [/\r\n?/g, "\n"],
  [/[‘’‚‛′ʼ]/g, "'"],
  [/[“”„‟″«»]/g, '"'],
  [/[‐‑‒–−]/g, "-"],
  [/[—―]/g, "--"],
  [/…/g, "..."],
  [/[→⇒⟶]/g, "->"],
  [/[←⇐]/g, "<-"],
  [/[•·∙◦]/g, "*"],
  [/×/g, "x"],
  [/≤/g, "<="],
  [/≥/g, ">="],
  [/≠/g, "!="],
  [/™/g, "(TM)"],
  [/©/g, "(c)"],
  [/®/g, "(R)"],
  [/ß/g, "ss"],
  [/[øØ]/g, "o"],
  [/[æÆ]/g, "ae"],
  [/[łŁ]/g, "l"],
];

/** Printable ASCII and newlines: what has a like-looking form takes it, the rest goes. */
export function toAscii(text: string): string {
  let ascii = text;
  for (const [from, to] of ASCII) ascii = ascii.replace(from, to);
  return ascii.normalize("NFKD").replace(/\t/g, "    ").replace(/[^\n\x20-\x7e]/g, "");
}

/** Text of a file that may be in UTF-8 or, if old, in Latin 1. */
export function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * The text of a page, paragraphs broken to lines, listings as they stand.
 *
 * @returns Empty if the page is a list of links, or not in English.
 */
export function htmlToText(html: string): string {
  if (FOREIGN.test(html.slice(0, 2000))) return "";
  const blocks = readBlocks(html);
  const letters = blocks.reduce((sum, block) => sum + block.text.length, 0);
  const linked = blocks.reduce((sum, block) => sum + block.linked, 0);
  if (linked > MOST_LINKED * letters) return "";
  let text = "";
  for (const { kind, text: raw } of blocks) {
    const block = toAscii(raw);
    if (kind === "listing") text += `\n${block.replace(/^\s*\n|\s+$/g, "")}\n\n`;
    else if (block.trim() !== "") text += `${fill(block)}\n${kind === "line" ? "" : "\n"}`;
    else if (kind === "block") text += "\n";
  }
  return text;
}

interface Block {
  /** What ends it: a line ends a `line`, an empty line the others. */
  kind: "block" | "line" | "listing";
  text: string;
  /** Characters of it inside links. */
  linked: number;
}

interface Tag {
  readonly name: string;
  readonly attributes: string;
  readonly closes: boolean;
}

/** What stands between tags, as it is, and the tags, without navigation and comments. */
function* readTokens(html: string): Generator<string | Tag> {
  const tags = /<!--[\s\S]*?-->|<[!?][^>]*>|<(\/?)([a-zA-Z][\w:-]*)((?:"[^"]*"|'[^']*'|[^>"'])*)>/g;
  let dropping: { name: string; depth: number } | undefined;
  let at = 0;
  for (const match of html.matchAll(tags)) {
    if (dropping === undefined) yield html.slice(at, match.index);
    at = match.index + match[0].length;
    if (match[2] === undefined) continue;
    const tag = { name: match[2].toLowerCase(), attributes: match[3], closes: match[1] === "/" };
    if (dropping !== undefined) {
      if (tag.name === dropping.name) dropping.depth += tag.closes ? -1 : 1;
      if (dropping.depth === 0) dropping = undefined;
    } else if (isNavigation(tag)) dropping = { name: tag.name, depth: 1 };
    else yield tag;
  }
  if (dropping === undefined) yield html.slice(at);
}

function readBlocks(html: string): Block[] {
  const blocks: Block[] = [];
  let [text, linked] = ["", 0];
  let [inLink, inListing] = [false, false];
  const end = (kind: Block["kind"]): void => {
    blocks.push({ kind: inListing ? "listing" : kind, text, linked });
    [text, linked] = ["", 0];
  };
  for (const token of readTokens(html)) {
    if (typeof token === "string") {
      const plain = decodeEntities(inListing ? token : token.replace(/\s+/g, " "));
      text += plain;
      if (inLink) linked += plain.length;
      continue;
    }
    const { name, attributes, closes } = token;
    if (name === "a") inLink = !closes && /\bhref=/i.test(attributes);
    else if (name === "pre") {
      end("block");
      inListing = !closes;
    } else if (inListing) text += name === "br" ? "\n" : "";
    else if (LINE.test(name)) {
      if (!closes || name === "tr" || text !== "") end("line");
      if (name === "li" && !closes) text = "* ";
    } else if (name === "td" || name === "th") text += closes || text.trim() === "" ? "" : "  ";
    // The first paragraph of a list's item stays on the line of its mark.
    else if (BLOCK.test(name) && text !== "* ") end("block");
  }
  end("block");
  return blocks;
}

function isNavigation({ name, attributes, closes }: Tag): boolean {
  if (closes || VOID.test(name) || /^(html|body|main)$/.test(name)) return false;
  if (DROPPED.test(name) || /\bclass=["'][^"']*headerlink/.test(attributes)) return true;
  if (/^(div|table|ul|ol|p|span|section|a|td)$/.test(name) && NAVIGATION.test(attributes)) {
    return true;
  }
  return name === "table" && NAVIGATION_TABLE.test(attributes);
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));?/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? (whole.endsWith(";") ? "" : whole);
    const code = decimal === undefined ? parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "";
  });
}

/** Breaks a paragraph into lines; those of a list's item stand under its text. */
function fill(paragraph: string): string {
  const indent = paragraph.startsWith("* ") ? "  " : "";
  const lines: string[] = [];
  let line = "";
  for (const word of paragraph.trim().split(/ +/)) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent + word;
    } else line += line === "" || line === indent ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}
