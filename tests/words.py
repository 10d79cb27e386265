"""Texts for people, from the code into the catalogues: `make words`, or `python -m tests.words`.

Finds `say("…")` and `say.count("one", "many", n)` in code and templates, and constants marked `N_("…")` or
`NN_("one", "many")`; adds what is new, drops what nobody says any more, keeps translations, and names what a translator
has to do. A second run changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

from node.speech import catalogue_path

ROOT: Final = Path(__file__).parents[1]
ROOMS: Final = ("governance", "node")  # the others speak to programs, and to whoever runs them
LANGUAGES: Final = ("ar", "es", "fr", "pt", "sw")
SILENT: Final = ("node/cli/", "node/demo/")  # the command line speaks English, and has a `say` of its own
TEMPLATES: Final = "node/web/templates"
KEYWORDS: Final = {"say": None, "_say": None, "N_": None, "NN_": (1, 2), "_md": None, "count": (1, 2)}
COUNTED: Final = frozenset({"n", "hours"})  # names that stand for the number that chooses the form
HEADER: Final = (
    'msgid ""\nmsgstr ""\n"Language: {lang}\\n"\n"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    '"Content-Transfer-Encoding: 8bit\\n"\n"Plural-Forms: {plurals}\\n"\n\n'
)


def texts() -> Catalog:
    """What the code and the templates say, by file."""
    found = Catalog()
    for path in sorted((ROOT / TEMPLATES).glob("*.html")):
        for message in _in_template(path.read_text("utf-8")):
            found.add(message, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if where.startswith(SILENT):
                continue
            for _line, message, _comments, context in extract_from_file("python", path, keywords=KEYWORDS):
                if message:
                    found.add(message, locations=[(where, 0)], context=context)
    return found


def _in_template(text: str) -> Iterator[str | tuple[str, ...]]:
    for call in Environment(autoescape=True).parse(text).find_all(nodes.Call):
        said = [arg.value for arg in call.args[:2] if isinstance(arg, nodes.Const) and isinstance(arg.value, str)]
        match call.node:
            case nodes.Name(name="say") if said:
                yield said[0]
            case nodes.Getattr(attr="count", node=nodes.Name(name="say")) if len(said) == 2:
                yield said[0], said[1]


def read(lang: str) -> Catalog:
    """A language's catalogue, or an empty one."""
    path = catalogue_path(lang)
    if not path.exists():
        return Catalog(locale=lang)
    with path.open("rb") as file:
        return read_po(file, locale=lang, abort_invalid=True)


def updated(lang: str, said: Catalog) -> Catalog:
    """The catalogue with exactly the texts that the code says; what is new waits for a translation."""
    catalogue = read(lang)
    # A guess from a similar text would be a wrong sentence about somebody's consent.
    catalogue.update(said, no_fuzzy_matching=True, update_header_comment=False)
    catalogue.obsolete.clear()
    return catalogue


def written(catalogue: Catalog) -> bytes:
    """The file: no dates and no line numbers, so that it changes only when a text does."""
    out = BytesIO()
    write_po(out, catalogue, width=120, omit_header=True, sort_output=True, include_lineno=False)
    head = HEADER.format(lang=catalogue.locale_identifier, plurals=catalogue.plural_forms)
    return head.encode() + out.getvalue()


def placeholders(text: str) -> frozenset[str]:
    """The names in braces of a text."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def faults(lang: str, said: Catalog) -> Iterator[str]:
    """What is missing or wrong in a language's catalogue, a sentence each."""
    catalogue = read(lang)
    for message in said:
        if message.id:
            found = catalogue.get(message.id)
            if found is None:
                yield f"{lang}: not in the catalogue: {message.id!r}; run `make words`"
            else:
                yield from _wrong(lang, catalogue, found)
    for message in catalogue:
        if message.id and said.get(message.id) is None:
            yield f"{lang}: nobody says this any more: {message.id!r}; run `make words`"


def _wrong(lang: str, catalogue: Catalog, message: Message) -> Iterator[str]:
    forms, originals = _all(message.string), _all(message.id)
    if message.fuzzy:
        yield f"{lang}: only guessed: {message.id!r}"
    if len(forms) != (catalogue.num_plurals if message.pluralizable else 1) or not all(f.strip() for f in forms):
        yield f"{lang}: not translated: {message.id!r}"
        return
    known = frozenset().union(*map(placeholders, originals))
    needed = known - COUNTED if message.pluralizable else known  # “one” or a dual may be said without the number
    for form in forms:
        if not needed <= placeholders(form) <= known:
            yield f"{lang}: the names in braces differ: {message.id!r} and {form!r}"
    if message.pluralizable and not known & COUNTED <= placeholders(forms[-1]):
        yield f"{lang}: the number is missing: {message.id!r}"


def _all(value: object) -> tuple[str, ...]:
    """The forms of a text: one, or one for each grammatical number."""
    return tuple(map(str, value)) if isinstance(value, (tuple, list)) else (str(value or ""),)


def main() -> int:
    """Write every catalogue; the exit status says whether a translator has work."""
    said = texts()
    for lang in LANGUAGES:
        Locale.parse(lang)  # a language that nobody can format dates for is a mistake
        path = catalogue_path(lang)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(updated(lang, said)))
    open_work = [fault for lang in LANGUAGES for fault in faults(lang, said)]
    print("\n".join((*open_work, f"{len(said)} texts, {len(open_work)} to do in {', '.join(LANGUAGES)}")))
    return 1 if open_work else 0


if __name__ == "__main__":
    sys.exit(main())
