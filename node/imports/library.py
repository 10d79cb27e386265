"""A record of the library form: every section, quote, person, term and permission written out. Unknown members are
refused, since a mistyped `terms` would otherwise share more than was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from node.imports import values
from node.imports.item import GrantSpec, ImportItem, LinkRef, ReadOptions, Unreadable, make_item

MEMBERS: Final = (
    "source_id", "node", "kind", "language", "title", "summary", "topics", "regions", "period", "licence",
    "attribution", "sensitivity", "labels", "sections", "quotes", "people", "places", "links", "terms",
    "field_terms", "contributors",
)  # fmt: skip
_PLAIN: Final = ("summary", "regions", "period", "licence", "attribution", "sensitivity", "labels", "topics")
_PARTS: Final = {"quotes": "quote", "people": "person", "places": "place"}
_GRANT_MEMBERS: Final = ("aud", "pur", "until", "how", "given", "withdrawn")


def item(line: int, members: Mapping[str, Any], options: ReadOptions) -> ImportItem:
    """The item of one record."""
    values.only_known(members, MEMBERS)
    fields = {"title": members.get("title")} | {m: members[m] for m in _PLAIN if members.get(m) not in (None, [], "")}
    components: dict[int, str] = {}
    for name, value in _object(members, "sections").items():
        fields[name] = _components(value, components) if name == "components" else value
    for member, part in _PARTS.items():
        for entry in _objects(members, member):
            body = {k: v for k, v in entry.items() if k != "id"}
            fields[f"{part}:{values.text(entry.get('id'), f'{member}.id')}"] = body
    draft = {
        "kind": values.kind(members.get("kind"), options),
        "lang": values.text(members.get("language"), "language", options.language),
        "fields": fields,
        "terms": values.terms(members.get("terms") or options.terms, options),
        "field_terms": {n: values.terms(t, options) for n, t in _object(members, "field_terms").items()},
        "contributors": [
            {"subject": c.get("subject"), "fields": _covered(c)} for c in _objects(members, "contributors")
        ],
    }
    return make_item(
        line,
        values.text(members.get("source_id"), "source_id"),
        draft,
        grants=tuple(_grant(c, options) for c in _objects(members, "contributors") if c.get("grant") is not None),
        links=tuple(LinkRef.model_validate(entry) for entry in _objects(members, "links")),
        components=components,
    )


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name) or {}
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} should be an object")
    return value


def _objects(members: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = members.get(name) or []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise Unreadable(f"{name} should be a list of objects")
    return value


def _components(value: Any, references: dict[int, str]) -> Any:
    """Components without their references, which go to `references` by index."""
    if not isinstance(value, list):
        return value  # the check of the record says what is wrong
    out = []
    for index, entry in enumerate(value):
        named = entry.get("record") if isinstance(entry, Mapping) else None
        if isinstance(named, str):
            references[index] = named
        out.append({k: v for k, v in entry.items() if k != "record"} if isinstance(named, str) else entry)
    return out


def _covered(contributor: Mapping[str, Any]) -> Any:
    """The contributor's fields; `["*"]` stands for the whole record. A link must say what it covers."""
    fields = contributor.get("fields")
    if not isinstance(fields, list) or not fields:
        raise Unreadable('contributors.fields should be a list of fields, or ["*"] for the whole record')
    return None if fields == ["*"] else fields


def _grant(contributor: Mapping[str, Any], options: ReadOptions) -> GrantSpec:
    grant = contributor["grant"]
    if not isinstance(grant, Mapping):
        raise Unreadable("contributors.grant should be an object, or null where none was given")
    values.only_known(grant, _GRANT_MEMBERS)
    day = {m: values.start_of_day(grant[m], m) for m in ("given", "withdrawn") if grant.get(m) is not None}
    return GrantSpec(
        subject=values.text(contributor.get("subject"), "contributors.subject"),
        fields=_covered(contributor),
        terms=values.terms({k: grant.get(k) for k in ("aud", "pur", "until")}, options),
        how=values.text(grant.get("how"), "how"),
        given_at=day.get("given"),
        withdrawn_at=day.get("withdrawn"),
    )
