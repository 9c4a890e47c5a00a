// The packages that scripts/corpus.ts makes the training text from, and what it takes of each.

/** A text of the corpus: some documents of a Debian package. */
export interface CorpusSource {
  /** The file's name without its ending. */
  readonly name: string;
  /** The package that holds the documents comes first. */
  readonly packages: readonly [string, ...string[]];
  /** Of what is taken, as the package's copyright file has it. */
  readonly licence: string;
  /** How to get at the text. @default {"html"} */
  readonly kind?: "html" | "jargon" | "bible";
  /** The folder of the documents inside the package. */
  readonly folder: string;
  /** Paths in that folder to leave out. */
  readonly except?: RegExp;
}

/** Pages that only list other pages, whatever the package. */
export const INDEX_PAGE =
  /(^|\/)(_modules|_sources|_static)\/|(^|\/)(genindex|.*-modindex|modindex|search|bookindex|print|toc|sitemap|.*[_-]index|(Concept|Functions|Options|Variables|Style|Editor)[\w-]*Index.*)[^/]*\.html$/;

// Left out on purpose: whatever is under the GPL, the GFDL or a Creative Commons licence with
// conditions; fortunes, because the licence of the program does not cover what it quotes; the
// Embedded Rust Book (CC BY-SA), which Debian ships in rust-doc beside the others.
export const SOURCES: readonly CorpusSource[] = [
  {
    name: "bible",
    packages: ["bible-kjv-text", "bible-kjv"],
    licence: "public domain (King James Version; bible-kjv only prints it)",
    kind: "bible",
    folder: "usr/lib",
  },
  {
    name: "jargon",
    packages: ["jargon-text"],
    licence: "public domain",
    kind: "jargon",
    folder: "usr/share/doc/jargon-text",
  },
  {
    name: "sqlite",
    packages: ["sqlite3-doc"],
    licence: "public domain",
    folder: "usr/share/doc/sqlite3",
    except:
      /^(syntax|session|search\.d)\/|(^|\/)(fullsql|keyword_index|doclist|sqlanalyze|sqlite|changes|requirements|syntaxdiagrams|doc_\w*)\.html$/,
  },
  {
    name: "python",
    packages: ["python3.11-doc"],
    licence: "PSF-2.0 (examples also 0BSD)",
    folder: "usr/share/doc/python3.11/html",
    except:
      /^c-api\/|^(contents|copyright|license|download)\.html$|^whatsnew\/(changelog|index)\.html$/,
  },
  {
    name: "postgresql",
    packages: ["postgresql-doc-15"],
    licence: "PostgreSQL",
    folder: "usr/share/doc/postgresql-doc-15/html",
    except: /^(features-sql-standard|unsupported-features|sql-keywords|legalnotice|release)/,
  },
  {
    name: "rust",
    packages: ["rust-doc"],
    licence: "MIT or Apache-2.0",
    folder: "usr/share/doc/rust-doc/html",
    except:
      /^(?!(book|edition-guide|nomicon|reference|rust-by-example|rustc|rustdoc)\/)|^book\/(first-edition|second-edition|2018-edition)\//,
  },
  {
    name: "llvm",
    packages: ["llvm-15-doc"],
    licence: "Apache-2.0 with LLVM exceptions",
    folder: "usr/share/doc/llvm-15-doc/html",
    except: /^AMDGPU\/|^AMDGPU/,
  },
  {
    name: "clang",
    packages: ["clang-15-doc"],
    licence: "Apache-2.0 with LLVM exceptions",
    folder: "usr/share/doc/clang-15/html",
    except: /^(DiagnosticsReference|ClangCommandLineReference|ClangFormatStyleOptions)\.html$/,
  },
  {
    name: "django",
    packages: ["python-django-doc"],
    licence: "BSD-3-Clause",
    folder: "usr/share/doc/python-django-doc/html",
    except: /^releases\//,
  },
  {
    name: "apache",
    packages: ["apache2-doc"],
    licence: "Apache-2.0",
    folder: "usr/share/doc/apache2-doc/manual/en",
    except: /(^|\/)(quickreference|directives|overrides)\.html$/,
  },
  {
    name: "erlang",
    packages: ["erlang-doc"],
    licence: "Apache-2.0",
    folder: "usr/share/doc/erlang-doc",
    except: /^(?!doc\/|erts-|lib\/(stdlib|kernel|mnesia|eunit)-)|(^|\/)notes\w*\.html$/,
  },
  {
    name: "twisted",
    packages: ["twisted-doc"],
    licence: "MIT",
    folder: "usr/share/doc/twisted-doc/html",
    except: /^api\//,
  },
  {
    name: "varnish",
    packages: ["varnish-doc"],
    licence: "BSD-2-Clause",
    folder: "usr/share/doc/varnish/html",
  },
  {
    name: "go",
    packages: ["golang-1.19-doc"],
    licence: "BSD-3-Clause",
    folder: "usr/share/doc/golang-1.19-doc/html",
  },
  {
    name: "zsh",
    packages: ["zsh-doc"],
    licence: "Zsh (MIT-style)",
    folder: "usr/share/doc/zsh-common/html",
    // Its FAQ has a copyright of its own.
    except: /^FAQ/,
  },
];
