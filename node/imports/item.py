"""What a reader makes of a source: items ready to be records, or lines that say what could not be taken.

An item is plain JSON on its way: the command line reads the source where it lies and streams items to the node.
References to other documents of the same source stay source ids; the node puts record ids in their place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance.errors import GovernanceError
from governance.record import Draft, Rel
from governance.terms import Terms
from node.views import ImportLine

MAX_SOURCE_ID_CHARS: Final = 500  # a long path in a deep folder; longer ones are data in the wrong column
MAX_ITEM_BYTES: Final = 8 * 1024 * 1024  # a copy may have 4 MiB (DESIGN 5); JSON escapes can double that
MAX_GRANTS: Final = 1_000  # more people than ever stood behind one record
MAX_INTEGER: Final = 2**53 - 1  # what every JSON reader keeps exactly (DESIGN 5)


class GrantSpec(BaseModel):
    """A contributor's permission that comes with a record; times are unix seconds, `fields` None means all."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subject: str = Field(min_length=1, max_length=200)
    fields: tuple[str, ...] | None = None
    terms: dict[str, Any]
    how: str = Field(min_length=1, max_length=500)
    given_at: int | None = Field(default=None, ge=0)
    withdrawn_at: int | None = Field(default=None, ge=0)


class LinkRef(BaseModel):
    """A relation to a document of the same source, by its source id."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rel: Rel
    to: str = Field(min_length=1, max_length=MAX_SOURCE_ID_CHARS)


class ImportItem(BaseModel):
    """One document: its draft, its permissions, and what it refers to by source id.

    `components` gives for the index of a toolkit's component the source id of the record it stands for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    line: int = Field(ge=0)
    source_id: str = Field(min_length=1, max_length=MAX_SOURCE_ID_CHARS)
    draft: Draft
    grants: tuple[GrantSpec, ...] = Field(default=(), max_length=MAX_GRANTS)
    links: tuple[LinkRef, ...] = ()
    components: dict[int, str] = Field(default_factory=dict)

    def refers_to(self) -> frozenset[str]:
        """Source ids of the documents it names."""
        return frozenset((*(ref.to for ref in self.links), *self.components.values()))


Outcome = ImportItem | ImportLine


def problem_line(line: int, source_id: str, problem: str) -> ImportLine:
    """What could not be taken, in text that can be written and read anywhere, whatever the source held."""
    shown = [text[:limit].encode("utf-8", "replace").decode() for text, limit in ((source_id, 100), (problem, 500))]
    return ImportLine(line=line, source_id=shown[0], problem=shown[1])


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the source does not say: default terms, kind and language, and the ids of circles by short name."""

    terms: Mapping[str, Any] = field(default_factory=lambda: {"aud": ["network"], "pur": ["learning"]})
    kind: str | None = None
    language: str | None = None
    licence: str | None = None
    circles: Mapping[str, str] = field(default_factory=dict)


class Unreadable(ValueError):
    """A document that cannot be taken; the message says what to mend."""


def make_item(
    line: int,
    source_id: str,
    draft: Mapping[str, Any],
    *,
    grants: tuple[GrantSpec, ...] = (),
    links: tuple[LinkRef, ...] = (),
    components: Mapping[int, str] | None = None,
) -> ImportItem:
    """A checked item; `Unreadable` says what is wrong with it."""
    try:
        item = ImportItem(
            line=line,
            source_id=source_id,
            draft=Draft.model_validate(draft),
            grants=grants,
            links=links,
            components=dict(components or {}),
        )
        return check_item(item)
    except ValidationError as error:
        raise Unreadable(first_problem(error)) from error


def check_item(item: ImportItem) -> ImportItem:
    """Itself, if a record can be made of it: the same check on the reading and on the receiving side."""
    try:
        item.draft.checked()
        for grant in item.grants:
            Terms.from_json(grant.terms)
    except GovernanceError as error:
        raise Unreadable(str(error)) from error
    size = len(_plain_text(item))
    if size > MAX_ITEM_BYTES:
        raise Unreadable(f"{size:,} bytes; a document has at most {MAX_ITEM_BYTES:,}")
    return item


def _plain_text(item: ImportItem) -> bytes:
    """Its bytes; refuses what the signed form and the databases cannot hold."""
    try:
        body = item.model_dump(mode="json")
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        raw = text.encode()
    except (ValueError, RecursionError) as error:
        raise Unreadable("holds text or numbers that cannot be written as UTF-8 JSON") from error
    if "\\u0000" in text and any("\0" in s for s in _strings(body)):
        raise Unreadable("holds a NUL character: the file is damaged or not text")
    return raw


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in (*value.keys(), *value.values()):
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def first_problem(error: ValidationError) -> str:
    """The first finding in one sentence, without the value itself."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def content_hash(item: ImportItem) -> str:
    """SHA-256 over everything but the line: the same document at another line is unchanged."""
    body = item.model_dump(mode="json", exclude={"line"})
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
