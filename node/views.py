"""What use cases answer: frozen models that the API sends, the command line prints and the pages show.

Everything in them has passed the gate for the one who asked. Times are unix seconds, hashes lower-case hex.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class Page(View, Generic[T]):
    """A part of a list; `next` is the cursor to ask on with, null at the end."""

    items: list[T]
    next: str | None = None


class TermsView(View):
    """Terms of a field, as data and in words."""

    audiences: list[str]
    purposes: list[str]
    until: int | None
    words: str


class WithheldView(View):
    """A field that is there and that the reader may not see, with the reason in words; never what it says."""

    field: str
    reason: str


class RecordInfo(View):
    """A record in a list."""

    rid: str
    origin: str
    origin_name: str
    own: bool
    kind: str
    lang: str
    title: str
    summary: str | None = None
    ver: int
    updated: int
    fields: int = Field(description="fields the reader may see")
    withheld: int = Field(description="fields the reader may not see")
    licence: str | None = None
    topics: list[str] = []
    regions: list[str] = []
    on_hold: str = Field("", description="for stewards: that nobody else sees it now, and why")


class NarrowView(RecordInfo):
    """A record after its terms were to be narrowed."""

    narrowed: bool = Field(description="false where nothing was narrower than what holds already: no version was made")


class FieldView(View):
    """A field the reader may see."""

    name: str
    label: str
    value: Any
    terms: TermsView


class LinkView(View):
    """A relation to another record that the reader may know of; `title` null where it is not here."""

    rel: str
    rid: str
    origin: str | None
    ver: int | None
    title: str | None


class RecordView(View):
    """A record as its reader may see it, with its provenance."""

    rid: str
    origin: str
    origin_name: str
    own: bool
    kind: str
    kind_label: str
    lang: str
    title: str
    ver: int
    vid: str
    copy_id: str
    signed_at: int
    signed_by: str = Field(description="key id")
    verified: bool = Field(description="the signature was checked again for this answer")
    received_at: int | None
    received_from: str | None
    conflict: bool = Field(description="the origin signed two versions with one number")
    fields: list[FieldView]
    withheld: list[WithheldView]
    links: list[LinkView]
    linked_from: list[LinkView]
    on_hold: str = Field("", description="for stewards: that nobody else sees it now, and why")


class VersionView(View):
    """One sealed version."""

    ver: int
    vid: str
    sealed_at: int
    cause: str
    fields: list[str]
    changed: list[str]


class WithdrawalView(View):
    """A withdrawal and how far it has come."""

    rid: str
    origin: str
    reason: str
    at: int
    confirmed: int
    waiting: int
    overdue: int


class GrantView(View):
    """A contributor's permission."""

    gid: str
    subject: str
    rid: str | None
    fields: list[str] | None
    terms: TermsView
    how: str
    given_at: int
    withdrawn_at: int | None
    active: bool


class ConsentEffect(View):
    """What a consent change did at once."""

    grant: GrantView
    records_changed: int


class HitView(View):
    """A search hit; snippet pieces are (text, is it a match)."""

    rid: str
    origin: str
    origin_name: str
    own: bool
    kind: str
    kind_label: str
    lang: str
    title: list[tuple[str, bool]]
    snippet: list[tuple[str, bool]]
    topics: list[str]
    regions: list[str]
    licence: str | None
    year: int | None
    updated: int
    received_at: int | None
    withheld: int


class FacetValue(View):
    """One value of a facet, for the filter (`value`), for people (`label`), and how many hits have it."""

    value: str
    label: str
    count: int


class SearchView(View):
    """The answer to a search."""

    total: int
    hits: list[HitView]
    facets: dict[str, list[FacetValue]]
    did_you_mean: str | None
    took_ms: float
    next: str | None


class CustodyView(View):
    """What one node has of a record, as far as the origin knows."""

    node_id: str
    name: str
    entry: Literal["put", "retract", "withdraw"]
    ver: int
    fields: list[str]
    decided_at: int
    delivered: bool
    confirmed: str | None = Field(description="held or erased, as the holder signed")
    confirmed_at: int | None
    overdue: bool
    direct: bool = Field(description="we sent it ourselves; false when it went on through others")
    refused: str | None


class ReceiptView(View):
    """A holder's signed statement."""

    holder: str
    holder_name: str
    rid: str
    ver: int
    state: Literal["held", "erased"]
    at: int
    jws: str


class StatusView(View):
    """The node at a glance."""

    name: str
    node_id: str
    regions: list[str]
    languages: list[str]
    version: str
    own_records: int
    received_records: int
    withdrawn_records: int
    grants: int
    peers: int
    active_peers: int
    quarantined: int
    index_engine: str
    index_behind: int
    policy: str
    policy_version: str
    policy_problem: str
    pending_erasures: int
    database: str
    started_at: int
    notices: list[str]


class CheckView(View):
    """One finding of `doctor`; `remedy` says what to do."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class ImportLine(View):
    """One thing of an import that could not be taken, with its line and why."""

    line: int
    source_id: str
    problem: str


class ImportView(View):
    """An import so far; the last one has `done`."""

    read: int
    added: int
    changed: int
    unchanged: int
    refused: int
    problems: list[ImportLine] = []
    done: bool = False


class AttachmentView(View):
    """A file beside a record, and what was removed from it when it was taken in."""

    rid: str
    field: str
    name: str
    media_type: str
    size: int
    sha256: str
    complete: bool


class VerifyView(View):
    """What a record file proves."""

    ok: bool
    problem: str = ""
    code: str = ""
    rid: str = ""
    origin: str = ""
    ver: int = 0
    vid: str = ""
    kind: str = ""
    lang: str = ""
    signed_at: int = 0
    disclosed: list[str] = []
    withheld: list[str] = []
    known_origin: bool = False
