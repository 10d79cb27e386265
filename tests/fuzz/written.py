"""Targets of what people write: search boxes, policies, libraries to import, and Markdown."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
from functools import cache
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Final

from config.load import packaged_policies
from governance.errors import PolicyError
from governance.policy_text import parse_policy, problems
from node.imports.bounded import SourceError
from node.imports.item import ImportItem, ReadOptions, check_item
from node.imports.source import open_source
from node.web.markdown import is_safe_link, render
from search.document import FACETS, Entry, Viewer
from search.memory_engine import MemoryEngine
from search.query import MAX_QUERY_CHARS, make_query, parse_text, query_text
from search.snippets import snippet
from tests.fuzz.harness import ROOT, Broken, Target, again, raw, same, text
from tests.fuzz.mutation import mutate_bytes, mutate_json_text, mutate_text

NOW: Final = 1_800_000_000
LIBRARY: Final = ROOT / "node" / "demo" / "library.jsonl"
TAGS: Final = frozenset({
    "p", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr", "br", "span", "div", "h3", "h4",
    "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
})  # fmt: skip
ATTRIBUTES: Final = frozenset({"href", "rel", "title", "class", "style", "start"})
QUERIES: Final = (
    "flood early warning", '"bus stop" -police tool*', "洪水 经验 -火", "брига* \"два слова\"", "مياه آمنة", "ไทยน้ำท่วม",
    "한국어 홍수*",
    "-\"not this\" über straße", "पानी सुरक्षित", "a* -b* \"c\"", "co-operative don't 24/7 C++",
)  # fmt: skip
MARKDOWN: Final = (
    "# One\n\n## Two\n\n- a\n- [x] b\n  1. c\n\n> quoted *text* and **strong**\n\n```py\ncode\n```\n\n| a | b |\n"
    "|---|:-:|\n| 1 | 2 |\n",
    "[link](https://example.org 'title') ![alt](https://example.org/x.png) <https://example.org> `code`"
    " ~~gone~~ &amp; &#65;\n\n[ref]\n\n[ref]: https://example.org\n",
    "Setext\n======\n\npara  \nbreak\\\n***\n\n    indented\n\n<div onclick=x>raw</div>\n",
)  # fmt: skip
MARKDOWN_WORDS: Final = (
    "[", "]", "](", "![", "*", "_", "**", "`", "~~", "> ", "- ", "1. ", "|", "\n|-|-|\n", "\n", "<",
    "<a href='javascript:x'>", "&#x6A;",
    "javascript:alert(1)", "](javascript:x)", "\\", "[a]: x\n", "<!--", "]]>", "&lt;", "\t", "    ", "***", "===",
    "\n---\n", '"', "(", "((",
)  # fmt: skip
MAX_OUTCOMES: Final = 200  # of one file: a library may be long, each of its documents is what has to be quick
FILES: Final = {
    "jsonl": ".jsonl",
    "markdown": ".md",
    "csv": ".csv",
}
HEADED: Final = (
    "---\ntitle: A case\nkind: case study\nlanguage: en\ntopics: [water, 'trust, and care']\nregions:\n  - KE\n"
    "  - BR\ndate: 2024-05-11\n"
    "summary: >\n  folded\n  text\naudiences: network; public\nuntil: 2030-01-01\n---\n\n# A case\n\nLead.\n\n"
    "## Context\n\nText.\n\n"
    "## Outcome\n\n- one\n- two\n",
    "+++\ntitle = 'List'\nkind = 'checklist'\nlanguage = 'sw'\ntopics = ['maji']\ndate = 2024-05-11\n"
    "until = 2030-01-01\n+++\n\n## Items\n\n"
    "- [ ] Chemsha | everyone | daily | required\n- [x] Second\n",
    "# Module\n\n## Steps\n\n### First (20 min)\n\ntext\n\n## Duration minutes\n\n90\n\n## Components\n\n"
    "- [A](other): notes\n",
)  # fmt: skip
TABLE: Final = (
    "id,title,kind,language,body,topics,regions,date,until,audiences\n"
    'a1,First,guide,en,"## Steps\n\n1. one",water; trust,KE,2024-05,2030-01-01,network\n'
    'a2,"Sec""ond",case study,es,texto,,,,,\n'
    "a3,Third,unknown,en\n",
    "title;kind;language;body;strange\nUno;story;es;había una vez;x\n",
)
IMPORT_WORDS: Final = (
    "title", "kind", "language", "body", "topics", "until", "date", "9999-12-31", "0001-01-01", "2024-02-30", "terms",
    "aud", "pur",
    "circle:river", "circle:", "network", "sections", "quotes", "people", "id", "links", "rel", "to", "part_of",
    "contributors", "grant",
    "fields", "*", "record", "components", "steps", "minutes", "period", "from", "source_id", "body_markdown",
    "source_repo",
    "source_path", "translation_of", "a/b:c", "---\n", "+++\n", "title: [", "title: |", "## Items\n",
    "### x (99999 min)\n", '"', ";", ",", "\t",
)  # fmt: skip
POLICY_WORDS: Final = (
    "[[rule]]\n", "id = ", "effect = ", '"share"', '"redact"', '"hold"', "reason = ", "when.", "unless.", "kind = ",
    "topics = ", "regions = ",
    "older_than_days = ", "to = ", "fields = ", "[[rule.example]]\n", "name = ", "peer = ", "circle = ", "role = ",
    "version = ", "1979-05-27",
    "0x" + "f" * 5000, "9" * 5000, "nan", "inf", "[[[[", "{a={a={a=1}}}", "a.b.c.d = 1\n", '"""', "''",
)  # fmt: skip


# --- search ---------------------------------------------------------------------------------------------------------


@cache
def library() -> MemoryEngine:
    """A few records in the languages of the queries."""
    engine = MemoryEngine()
    lines = LIBRARY.read_text(encoding="utf-8").splitlines()[:12]
    puts = []
    for number, line in enumerate(lines):
        members = json.loads(line)
        puts.append(
            Entry(
                f"o/{number}",
                frozenset({Viewer.MEMBERS, Viewer.STEWARDS}),
                members["language"],
                members["title"],
                members["summary"],
                members["kind"],
                "o",
                NOW,
                tuple(members["topics"]),
                tuple(members["regions"]),
            )
        )
    engine.apply(puts, [], 1)
    return engine


def run_query(data: bytes) -> None:
    """No text of a search box raises: it is parsed, planned, run, corrected and shown; its parts are parsed again."""
    typed = text(data)
    query = make_query(typed, filters={name: [typed] for name in FACETS[:3]}, languages=[typed[:8]])
    plain = make_query(typed, languages=["en", "zh", typed[:3]])
    library().search(query, Viewer.MEMBERS, NOW)
    library().search(plain, Viewer.MEMBERS, NOW)
    library().suggest(typed, Viewer.MEMBERS, NOW)
    snippet("A flood early warning at the bus stop, 洪水 经验.", "en", plain)
    parts = parse_text(typed)
    if len(query_text(parts)) <= MAX_QUERY_CHARS:
        again(lambda: parse_text(query_text(parts)), parts, "the parts of a query")


# --- policies -------------------------------------------------------------------------------------------------------


def policy_seeds() -> list[bytes]:
    """The policies that come with a node."""
    return [path.read_bytes() for path in packaged_policies().values()]


def run_policy(data: bytes) -> None:
    """A text is in force, or every problem has words that can be shown; both ways of reading agree."""
    found = problems(data)
    for problem in found:
        str(problem).encode()
    try:
        parse_policy(data)
    except PolicyError:
        if not found:
            raise Broken("refused without a problem") from None
        raise
    if found:
        raise Broken("in force in spite of a problem")


# --- imports --------------------------------------------------------------------------------------------------------


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="cw-fuzz-"))


def import_seeds(form: str) -> list[bytes]:
    """Documents as people have them."""
    if form == "csv":
        return [table.encode() for table in TABLE]
    if form == "markdown":
        return [page.encode() for page in HEADED]
    lines = LIBRARY.read_text(encoding="utf-8").splitlines()
    corpus = {
        "id": "0123456789abcdef0123", "title": "T", "kind": "guide", "language": "en", "body_markdown": HEADED[2],
        "tags": ["a", "b"],
        "source_repo": "a/b", "source_path": "x.md", "translation_of": "en/x.md", "date": "2024-05",
        "licence": "CC0-1.0",
    }  # fmt: skip
    return [lines[at].encode() for at in (0, 1, 3, 4)] + [json.dumps(corpus).encode()]


def run_import(form: str, data: bytes) -> None:
    """Each outcome can be sent to the node as a line of JSON, and an item is the same item there."""
    path = _folder() / f"given{FILES[form]}"
    path.write_bytes(data)
    circles = {"river": "z6MkgYGF3thn8k1Fv4p4dWXKtsXCnLH7q9yw4QgNPULDmDKB.river"}
    options = ReadOptions(kind="guide", language="en", circles=circles)
    with contextlib.suppress(SourceError):
        for outcome in islice(open_source(path, options), MAX_OUTCOMES):
            line = outcome.model_dump_json()
            line.encode()
            if isinstance(outcome, ImportItem):
                again = check_item(ImportItem.model_validate_json(line))
                same(outcome.model_dump(mode="json"), again.model_dump(mode="json"), "the item")


def bend_jsonl(rng: random.Random, data: bytes) -> bytes:
    """A line with a defect in its tree, its text or its bytes."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    return raw(mutate_json_text(rng, text(data), IMPORT_WORDS))


def bend_page(rng: random.Random, data: bytes) -> bytes:
    """A document of text with a defect in its text or its bytes."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    return raw(mutate_text(rng, text(data), IMPORT_WORDS))


# --- Markdown -------------------------------------------------------------------------------------------------------


class _Looked(HTMLParser):
    """Refuses every tag, attribute and address that could do something."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise Broken(f"the page has a tag <{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES or (name == "href" and not is_safe_link(value or "")):
                raise Broken(f"the page has {name}={value!r:.80}")
            if name == "style" and not (value or "").startswith("text-align:"):
                raise Broken(f"the page has a style of a stranger: {value!r:.80}")

    def handle_decl(self, decl: str) -> None:
        raise Broken(f"the page has a declaration {decl[:40]!r}")

    def handle_comment(self, data: str) -> None:
        raise Broken("the page has a comment")


def run_markdown(data: bytes) -> None:
    """Whatever a stranger wrote becomes words, and links to the web."""
    page = str(render(text(data)))
    looked = _Looked(convert_charrefs=False)
    looked.feed(page)
    looked.close()


def bend_markdown(rng: random.Random, data: bytes) -> bytes:
    """Markdown with defects; one in fifty is a short piece that is repeated until the text is as long as it may be."""
    if rng.random() < 0.02:
        piece = "".join(rng.choice(MARKDOWN_WORDS) for _ in range(rng.randint(1, 3))) + rng.choice(
            ("", "a", "a b ", "\n")
        )
        return raw((piece * (200_000 // len(piece)))[:200_000])
    return raw(mutate_text(rng, text(data), MARKDOWN_WORDS))


TARGETS: Final = (
    Target(
        "query", lambda: [raw(q) for q in QUERIES],
        lambda rng, data: raw(mutate_text(rng, text(data), ('"', "-", "*", "-\"", "*\"", "“", "－"))), run_query,
    ),
    Target("policy", policy_seeds, lambda rng, data: raw(mutate_text(rng, text(data), POLICY_WORDS)), run_policy,
    (PolicyError,)),
    Target("jsonl", lambda: import_seeds("jsonl"), bend_jsonl, lambda data: run_import("jsonl", data)),
    Target("page-of-markdown", lambda: import_seeds("markdown"), bend_page, lambda data: run_import("markdown", data)),
    Target("csv", lambda: import_seeds("csv"), bend_page, lambda data: run_import("csv", data)),
    Target("markdown", lambda: [raw(m) for m in MARKDOWN], bend_markdown, run_markdown),
)  # fmt: skip
