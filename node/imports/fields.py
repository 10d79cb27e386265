"""What Markdown heads and CSV columns have in common: named members become a draft."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from governance.record import Rel
from node.imports import sections, values
from node.imports.item import ImportItem, LinkRef, ReadOptions, make_item

# People write the same thing in several ways; each has one name here.
SYNONYMS: Final = {
    "lang": "language", "license": "licence", "description": "summary", "tags": "topics", "region": "regions",
    "audience": "audiences", "purpose": "purposes", "credit": "attribution", "body_markdown": "body",
}  # fmt: skip
KNOWN: Final = (
    "id", "title", "kind", "language", "summary", "body", "topics", "regions", "date", "licence", "attribution",
    "sensitivity", "labels", "audiences", "purposes", "until", "translation_of", "adapted_from", "part_of", "related",
)  # fmt: skip
_LISTS: Final = ("topics", "regions", "labels")
_TEXTS: Final = ("summary", "licence", "attribution", "sensitivity")


def known_name(written: str) -> str | None:
    """The member's one name, or None where it is not one of ours."""
    name = written.strip().casefold().replace(" ", "_").replace("-", "_")
    name = SYNONYMS.get(name, name)
    return name if name in KNOWN else None


def item(line: int, source_id: str, members: Mapping[str, Any], body: str, options: ReadOptions) -> ImportItem:
    """The item of named members and a Markdown text."""
    kind = values.kind(members.get("kind"), options)
    fields: dict[str, Any] = {"title": values.text(members.get("title"), "title").strip()}
    fields |= {n: found for n in _LISTS if (found := values.words(members.get(n), n))}
    fields |= {n: written for n in _TEXTS if (written := values.text(members.get(n), n, "").strip())}
    if "licence" not in fields and options.licence:
        fields["licence"] = options.licence
    when = members.get("date")
    if period := values.iso_period(when.isoformat() if isinstance(when, date | datetime) else when):
        fields["period"] = period
    fields |= sections.split(kind, body)
    components = sections.take_references(fields)
    draft = {
        "kind": kind,
        "lang": values.text(members.get("language"), "language", options.language).strip(),
        "fields": fields,
        "terms": _terms(members, options),
    }
    return make_item(line, source_id, draft, links=_links(members), components=components)


def _terms(members: Mapping[str, Any], options: ReadOptions) -> dict[str, Any]:
    """The caller's terms, with what the document says itself in their place."""
    written: dict[str, Any] = dict(options.terms)
    if audiences := values.words(members.get("audiences"), "audiences"):
        written["aud"] = audiences
    if purposes := values.words(members.get("purposes"), "purposes"):
        written["pur"] = purposes
    if members.get("until"):
        written["until"] = members["until"]
    return values.terms(written, options)


def _links(members: Mapping[str, Any]) -> tuple[LinkRef, ...]:
    return tuple(LinkRef(rel=rel, to=to) for rel in Rel for to in values.words(members.get(rel.value), rel.value))
