"""A record's content as fields: the common ones, the sections of its kind, and its parts (DESIGN 2).

The flat mapping `field name -> JSON value` is the one form of content: consent, envelope, storage and pages all use
it, so nothing can slip between two forms. Parts are `quote:<id>`, `person:<id>`, `place:<id>`, `attachment:<id>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from governance.errors import RecordError, TermsError
from governance.kinds import KINDS, Line, Markdown, Part, RecordRef, section_adapters
from governance.terms import Terms

JSON = Any
MAX_TITLE_CHARS: Final = 500
MAX_FIELDS: Final = 256  # DESIGN 5
MAX_TAGS: Final = 64
PART_TYPES: Final = ("quote", "person", "place", "attachment")
# A part type of a later version is a name too: such a field is kept and passed on.
_PART_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}:[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_LANG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}\Z")
_SHA256: Final = r"^[0-9a-f]{64}$"

Tag = Annotated[str, Field(min_length=1, max_length=100)]
Tags = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)]
Region = Annotated[str, Field(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?|[0-9]{3})$")]


class Sensitivity(StrEnum):
    """How much harm the record could do in the wrong hands."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Period(Part):
    """When it happened: years, months or days, ISO 8601."""

    start: str | None = Field(default=None, alias="from", pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")
    end: str | None = Field(default=None, alias="to", pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")


class Quote(Part):
    """Words of a person, kept apart so that consent can cover just them."""

    text: Markdown
    by: str | None = None


class Person(Part):
    """A person named in the record."""

    name: Line
    role: str = ""
    note: str = ""


class Place(Part):
    """A place named in the record."""

    name: Line
    note: str = ""
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)


class Attachment(Part):
    """A file beside the record: its bytes travel apart, by hash, in chunks of 1 MiB (DESIGN 8)."""

    name: Line
    media_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=200)
    size: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)
    chunks: tuple[Annotated[str, Field(pattern=_SHA256)], ...]
    alt: str = ""


class Correction(Part):
    """What a version corrects of those before it, so that readers of an old one are told."""

    what: Literal["harm", "error"]
    note: Markdown


class Rel(StrEnum):
    """How a record stands to another."""

    ADAPTED_FROM = "adapted_from"
    TRANSLATION_OF = "translation_of"
    PART_OF = "part_of"
    RELATED = "related"


class Link(Part):
    """A relation to another record, by id and optionally version."""

    rel: Rel
    to: RecordRef


_COMMON: Final[dict[str, TypeAdapter[Any]]] = {
    "title": TypeAdapter(Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARS, pattern=r"\S")]),
    "summary": TypeAdapter(Markdown),
    "body": TypeAdapter(Markdown),
    "topics": TypeAdapter(Tags),
    "regions": TypeAdapter(Annotated[tuple[Region, ...], Field(max_length=MAX_TAGS)]),
    "period": TypeAdapter(Period),
    "licence": TypeAdapter(Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]{1,100}$")]),
    "sensitivity": TypeAdapter(Sensitivity),
    "labels": TypeAdapter(Tags),
    "links": TypeAdapter(Annotated[tuple[Link, ...], Field(max_length=MAX_TAGS)]),
    "attribution": TypeAdapter(Annotated[str, Field(max_length=MAX_TITLE_CHARS)]),
    "correction": TypeAdapter(Correction),
}
COMMON_FIELDS: Final = tuple(_COMMON)
_PARTS: Final[dict[str, TypeAdapter[Any]]] = {
    "quote": TypeAdapter(Quote),
    "person": TypeAdapter(Person),
    "place": TypeAdapter(Place),
    "attachment": TypeAdapter(Attachment),
}
# Facts about the record that rules and facets read; they carry no story of their own.
META_FIELDS: Final = ("topics", "regions", "period", "licence", "sensitivity", "labels", "links", "attribution")


def is_field_name(name: str) -> bool:
    """True for a name that a field may have: a section or common name, or `<part type>:<id>`."""
    return bool(_NAME.match(name) or _PART_NAME.match(name))


def is_language(tag: str) -> bool:
    """True for a BCP 47 tag of the usual shape."""
    return bool(_LANG.match(tag))


def _adapter(kind: str, name: str) -> TypeAdapter[Any] | None:
    head, colon, _ = name.partition(":")
    if colon:
        return _PARTS.get(head)
    return _COMMON.get(name) or section_adapters(kind).get(name)


def check_field(kind: str, name: str, value: JSON) -> None:
    """Raise `RecordError` if a known field has a value of the wrong form; a field of a later version passes."""
    if not is_field_name(name):
        raise RecordError(f"field name {name!r} is not allowed: use a section's name or quote:, person:, place: + id")
    adapter = _adapter(kind, name)
    if adapter is None:
        return
    if value is None:
        raise RecordError(f"field {name} is null: leave the field out instead")
    try:
        adapter.validate_python(value, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in (name, *first["loc"]))
        raise RecordError(f"{where}: {first['msg']}") from error


def check_fields(kind: str, fields: Mapping[str, JSON]) -> None:
    """`check_field` for each, plus what holds of all: a title, and not more than `MAX_FIELDS`."""
    if "title" not in fields:
        raise RecordError("a record needs a title")
    if len(fields) > MAX_FIELDS:
        raise RecordError(f"{len(fields)} fields; a record has at most {MAX_FIELDS}")
    for name, value in fields.items():
        check_field(kind, name, value)


class ContributorLink(BaseModel):
    """Which fields a contributor (by pseudonym) stands behind; `None` means the whole record."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subject: str = Field(min_length=1, max_length=200)
    fields: tuple[str, ...] | None = None

    def covers(self, field: str) -> bool:
        """True if the field is this contributor's."""
        return self.fields is None or field in self.fields


class Draft(BaseModel):
    """What an editor writes: content, the editor's terms, who contributed, and the recipients of `direct`.

    It never leaves the node; sealing turns it into an envelope.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    kind: str
    lang: str
    fields: dict[str, JSON]
    terms: dict[str, JSON]
    field_terms: dict[str, dict[str, JSON]] = Field(default_factory=dict)
    contributors: tuple[ContributorLink, ...] = ()
    direct: tuple[str, ...] = ()

    def checked(self) -> Draft:
        """Itself, if it can be published; `RecordError` or `TermsError` says what to mend."""
        if self.kind not in KINDS:
            raise RecordError(f"unknown kind {self.kind!r}: one of {', '.join(KINDS)}")
        if not is_language(self.lang):
            raise RecordError(f"language {self.lang!r} is not a BCP 47 tag such as sw or pt-BR")
        check_fields(self.kind, self.fields)
        for name in self.fields:
            self.field_as_known(name)
        Terms.from_json(self.terms)
        for name, terms in self.field_terms.items():
            if name not in self.fields:
                raise RecordError(f"terms for {name!r}, but the record has no such field")
            try:
                Terms.from_json(terms)
            except TermsError as error:
                raise TermsError(f"{name}: {error}") from error
        return self

    def field_as_known(self, name: str) -> None:
        """Raise if a field is not one of this version's: an editor's typing mistake would be shared unseen."""
        if _adapter(self.kind, name) is None:
            known = ", ".join((*COMMON_FIELDS, *section_adapters(self.kind)))
            raise RecordError(f"a {self.kind} has no field {name!r}; it has {known}, and quote:/person:/place: + id")

    def editor_terms(self, field: str) -> Terms:
        """The editor's choice for a field: its own, else the record's."""
        return Terms.from_json(self.field_terms.get(field, self.terms))


def text_of(value: JSON) -> str:
    """All words a reader would see in a field's value, for search and for counting."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(filter(None, (text_of(v) for k, v in value.items() if k not in _NOT_TEXT)))
    if isinstance(value, Iterable):
        return "\n".join(filter(None, (text_of(v) for v in value)))
    return ""


_NOT_TEXT: Final = frozenset(
    {"rid", "origin", "ver", "sha256", "chunks", "media_type", "size", "by", "rel", "required"}
)
