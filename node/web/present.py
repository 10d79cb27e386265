"""A record's fields in the order and form in which people read them. Only shape: what may be seen is decided before.

A value that is not of the form its kind promises is shown as its words, never trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from markupsafe import Markup

from governance.kinds import KINDS
from governance.record import META_FIELDS, text_of
from node.views import FieldView, RecordView, TermsView
from node.web.markdown import render

NO_TEXT: Final = Markup()
LONG_CHARS: Final = 20_000  # rendered in a thread from here on, so that other readers do not wait


@dataclass(frozen=True, slots=True)
class Block:
    """One part of the page; `form` picks how the template draws `rows` or `html`."""

    name: str
    label: str
    form: str
    terms: TermsView
    html: Markup = NO_TEXT
    rows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A record as a page shows it."""

    summary: Block | None
    sections: tuple[Block, ...]
    quotes: tuple[Block, ...]
    people: tuple[Block, ...]
    places: tuple[Block, ...]
    attachments: tuple[Block, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    correction: Block | None = None


_AT_THE_TOP: Final = ("title", "summary", "correction", *META_FIELDS)


def sheet(record: RecordView) -> Sheet:
    """Lay a record out: sections in the order of its kind, then what is left, then parts."""
    order = ["body", *(KINDS[record.kind].model_fields if record.kind in KINDS else ())]
    by_name = {f.name: f for f in record.fields}
    plain = [n for n in by_name if ":" not in n and n not in _AT_THE_TOP]
    plain.sort(key=lambda n: order.index(n) if n in order else len(order))
    summary = by_name.get("summary")
    return Sheet(
        summary=_block(summary) if summary else None,
        sections=tuple(_block(by_name[n]) for n in plain),
        quotes=_parts(record, "quote"),
        people=_parts(record, "person"),
        places=_parts(record, "place"),
        attachments=_parts(record, "attachment"),
        facts={n: _fact(n, by_name[n].value) for n in META_FIELDS if n in by_name and n != "links"},
        correction=_correction(by_name.get("correction")),
    )


def _correction(seen: FieldView | None) -> Block | None:
    """What readers of an earlier version have to know; of a form of a later version only that there is one."""
    if seen is None:
        return None
    value = seen.value if isinstance(seen.value, Mapping) else {}
    what = "harm" if value.get("what") == "harm" else "error"
    return Block(seen.name, seen.label, what, seen.terms, render(text_of(value.get("note"))))


def is_long(record: RecordView) -> bool:
    """True if rendering takes a while."""
    return sum(len(text_of(f.value)) for f in record.fields) > LONG_CHARS


def _parts(record: RecordView, kind: str) -> tuple[Block, ...]:
    found = (f for f in record.fields if f.name.partition(":")[0] == kind and ":" in f.name)
    return tuple(_part(kind, f) for f in found)


# The members of a part or row that a page shows, by the form it is drawn in. All words but those of `_NOT_WORDS`.
_MEMBERS: Final = {
    "quote": ("by",),
    "person": ("name", "role", "note"),
    "place": ("name", "role", "note"),
    "attachment": ("name", "media_type", "size", "alt"),
    "checklist": ("text", "role", "when", "required"),
    "components": ("title", "record"),
    "placeholders": ("name", "description", "example"),
    "steps": ("title", "minutes"),
}
# Section name to the form its list is drawn in, and the member that is Markdown.
_LISTS: Final = {
    "items": ("checklist", ""),
    "components": ("components", "notes"),
    "placeholders": ("placeholders", ""),
    "steps": ("steps", "text"),
}


def _part(kind: str, seen: FieldView) -> Block:
    if not isinstance(seen.value, Mapping):
        return _block(seen)
    html = render(text_of(seen.value.get("text"))) if kind == "quote" else NO_TEXT
    return Block(seen.name, seen.label, kind, seen.terms, html, (_row(seen.value, kind),))


def _block(seen: FieldView) -> Block:
    value = seen.value
    if isinstance(value, str):
        return Block(seen.name, seen.label, "text", seen.terms, render(value))
    if isinstance(value, list | tuple) and value:
        form, markdown = _LISTS.get(seen.name, ("", ""))
        if form and all(isinstance(row, Mapping) for row in value):
            rows = tuple(_row(row, form) | {"html": render(text_of(row.get(markdown)))} for row in value)
            return Block(seen.name, seen.label, form, seen.terms, rows=rows)
        return Block(seen.name, seen.label, "lines", seen.terms, rows=tuple({"text": text_of(row)} for row in value))
    words = str(value) if isinstance(value, int | float) else text_of(value)
    return Block(seen.name, seen.label, "text", seen.terms, Markup("<p>{}</p>").format(words))


def _row(row: Mapping[str, Any], form: str) -> dict[str, Any]:
    """Every member that the template draws, there or not, of the type it expects."""
    return {name: _member(name, row.get(name)) for name in _MEMBERS[form]}


def _member(name: str, value: Any) -> Any:
    if name == "required":
        return value is True
    if name in ("minutes", "size"):
        return value if type(value) is int else None
    if name == "record":
        named = isinstance(value, Mapping) and isinstance(value.get("rid"), str)
        return {"rid": value["rid"], "origin": text_of(value.get("origin")) or None} if named else None
    return text_of(value)


def _fact(name: str, value: Any) -> Any:
    if name == "period":
        return {end: text_of(value.get(end)) for end in ("from", "to")} if isinstance(value, Mapping) else None
    if name in ("topics", "regions", "labels"):
        return [word for word in value if isinstance(word, str)] if isinstance(value, list | tuple) else []
    return text_of(value)
