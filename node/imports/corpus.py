"""A document of the corpus form (one Markdown text with its provenance) as an item. Source id: the document's `id`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from governance.record import MAX_TAGS, MAX_TITLE_CHARS, Rel
from node.imports import sections, values
from node.imports.item import ImportItem, LinkRef, ReadOptions, Unreadable, make_item

_ID_HEX_DIGITS: Final = 20  # how the corpus writes its ids


def item(line: int, members: Mapping[str, Any], options: ReadOptions) -> ImportItem:
    """The item; members that say how the corpus was made, not what the document is, are left aside."""
    repo, path = (values.text(members.get(m), m, "") for m in ("source_repo", "source_path"))
    kind = values.kind(members.get("kind"), options)
    fields = _facts(members)
    fields |= sections.split(kind, values.text(members.get("body_markdown"), "body_markdown"), strict=True)
    draft = {
        "kind": kind,
        "lang": values.text(members.get("language"), "language", options.language),
        "fields": fields,
        "terms": dict(options.terms),
    }
    source_id = values.text(members.get("id"), "id", document_id(repo, path) if repo and path else None)
    return make_item(line, source_id, draft, links=_links(repo, members.get("translation_of")))


def _facts(members: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"title": values.text(members.get("title"), "title").strip()[:MAX_TITLE_CHARS]}
    if summary := values.text(members.get("summary"), "summary", "").strip():
        fields["summary"] = summary
    # Tags of a source were not made for us: the long ones are sentences, and what is over the limit is noise.
    given = members.get("tags") or []
    if not isinstance(given, list):
        raise Unreadable("tags should be a list of words")
    tags = [t.strip() for t in given if isinstance(t, str) and t.strip()]
    if topics := list(dict.fromkeys(t for t in tags if len(t) <= values.MAX_TAG_CHARS))[:MAX_TAGS]:
        fields["topics"] = topics
    if period := values.iso_period(members.get("date")):
        fields["period"] = period
    for name in ("licence", "attribution"):
        if value := values.text(members.get(name), name, "").strip():
            fields[name] = value
    return fields


def document_id(repo: str, path: str) -> str:
    """The corpus id of a document: from its repository and path, so that a translation can name its original."""
    return hashlib.sha256(f"{repo}\n{path}".encode("utf-8", "surrogatepass")).hexdigest()[:_ID_HEX_DIGITS]


def _links(repo: str, original: Any) -> tuple[LinkRef, ...]:
    if not isinstance(original, str) or not original:
        return ()
    other, colon, path = original.partition(":")
    # `owner/name:path` names another repository; a colon further back is part of a path.
    elsewhere = bool(colon) and other.count("/") == 1
    target = document_id(other, path) if elsewhere else document_id(repo, original)
    return (LinkRef(rel=Rel.TRANSLATION_OF, to=target),)
