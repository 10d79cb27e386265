"""The rows that a node keeps: one frozen dataclass a table, the single description of the schema.

Column types follow the annotations (str, int, bytes, bool, each maybe None). JSON is kept as text. Times are unix
seconds, hashes raw bytes. Both stores and the migrations are checked against these classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from node.store.governing import GOVERNING_ROWS
from node.store.row import Row


class State(IntEnum):
    """What is left of a record here."""

    LIVE = 0
    ERASED = 1  # held once, or narrowed away; only the id and the highest version seen stay
    WITHDRAWN = 2  # the origin's signed instruction is kept for ever


class Entry(StrEnum):
    """What a peer must be told about a record."""

    PUT = "put"
    RETRACT = "retract"
    WITHDRAW = "withdraw"
    ROSTER = "roster"  # of a circle: `Custody.copy` is then the circle's number
    HIDE = "hide"  # the copies of an origin to hide or to show: `Custody.copy` is then the hide's number


@dataclass(frozen=True, slots=True)
class Meta(Row):
    """Single facts about the node, such as its id and the policy in force."""

    TABLE = "meta"
    KEY = ("name",)
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Copy(Row):
    """What this node has of a record, own or received. One row for ever: erasing empties it and leaves the mark.

    `ver` is the highest version number seen (the mark that keeps older ones out). `jws` is the signed part as
    received, `disclosed` a JSON object of field name to disclosure text. `ends_at` is the next end of any field held,
    `via` the peer it last came from, `relay` whether its withdrawal goes to everybody. `direct` (comma-joined node
    ids) and `editor` come from an own record's draft. `outline` is what rules and terms can see of a live copy
    (`governance.outline`); rows of before it have none until somebody looks.
    """

    TABLE = "copies"
    KEY = ("id",)
    UNIQUE = (("origin", "rid"),)
    INDEX = (("change_seq",), ("ends_at",), ("state", "own"), ("rid",))
    id: int
    origin: str
    rid: str
    own: bool
    state: int
    ver: int
    change_seq: int
    vid: bytes | None = None
    copy_id: bytes | None = None
    iat: int | None = None
    kind: str | None = None
    lang: str | None = None
    jws: str | None = None
    disclosed: str | None = None
    direct: str = ""
    editor: str = ""
    ends_at: int | None = None
    received_at: int | None = None
    via: int | None = None
    withdrawal: str | None = None
    reason: str | None = None
    relay: bool = False
    conflict: bool = False
    outline: str | None = None


@dataclass(frozen=True, slots=True)
class DraftRow(Row):
    """What the editor wrote, for an own record: `body` is a `governance.record.Draft` as JSON."""

    TABLE = "drafts"
    KEY = ("rid",)
    UNIQUE = (("source", "source_id"),)
    INDEX = (("updated_at",),)
    rid: str
    body: str
    source: str
    source_id: str
    source_hash: str
    created_at: int
    updated_at: int
    published: bool
    editor: str = ""


@dataclass(frozen=True, slots=True)
class VersionRow(Row):
    """A sealed version of an own record, for its history. Narrowed fields lose their disclosures here too."""

    TABLE = "versions"
    KEY = ("rid", "ver")
    rid: str
    ver: int
    vid: bytes
    jws: str
    disclosed: str
    sealed_at: int
    cause: str


@dataclass(frozen=True, slots=True)
class GrantRow(Row):
    """A contributor's permission; `fields` and `terms` are JSON, `fields` null means all."""

    TABLE = "grants"
    KEY = ("gid",)
    INDEX = (("subject",), ("ends_at",))
    gid: str
    subject: str
    terms: str
    how: str
    given_at: int
    rid: str | None = None
    fields: str | None = None
    withdrawn_at: int | None = None
    ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class ContributorRow(Row):
    """Which own records a contributor is linked to."""

    TABLE = "contributors"
    KEY = ("subject", "rid")
    INDEX = (("rid",),)
    subject: str
    rid: str


@dataclass(frozen=True, slots=True)
class PeerRow(Row):
    """A node we have met. `history` is its verified identity history (JSON list of JWS).

    Our side as sender: `issued` the highest sequence ever put into a page for it, `acked` the highest it confirmed,
    `decided_upto`/`decided_under` how far its custody is decided and under which state; `put_*` the running
    fingerprint of copies it should hold. As receiver: `cursor` in its feed, `offer_*` the fingerprint of what it
    gave us. `mark_*`: withdrawal markers both sides should have.
    """

    TABLE = "peers"
    KEY = ("id",)
    UNIQUE = (("node_id",),)
    id: int
    node_id: str
    phase: str
    name: str
    history: str
    urls: str
    regions: str
    added_at: int
    languages: str = "[]"
    agreement: str | None = None
    agreement_source: str | None = None
    proposal: str | None = None
    words: str = ""
    invite: str | None = None
    cursor: int = 0
    issued: int = 0
    acked: int = 0
    decided_upto: int = 0
    decided_under: str = ""
    put_count: int = 0
    put_sum: bytes = bytes(32)
    offer_count: int = 0
    offer_sum: bytes = bytes(32)
    offer_bytes: int = 0
    mark_count: int = 0
    mark_sum: bytes = bytes(32)
    we_suspended: bool = False
    they_suspended: bool = False
    notice_seq: int = 0
    their_notice_seq: int = 0
    standing: int = 0
    failures: int = 0
    last_error: str = ""
    next_sync_at: int = 0
    last_sync_at: int | None = None
    last_contact_at: int | None = None


@dataclass(frozen=True, slots=True)
class Custody(Row):
    """The latest thing a peer must know about a record, in the order of `seq`. `fields` is a comma-joined list.

    `told` says that an earlier state of the line was handed over; `refused` is the peer's reason for not taking it,
    such a row is not counted in the fingerprint. `hops` are the lines that each field will have crossed. `given` is the
    state that the peer was handed, as JSON, while a later one waits: a hold goes back to it (`node.holds.given`).
    """

    TABLE = "custody"
    KEY = ("peer", "copy")
    INDEX = (("peer", "seq"), ("copy",))
    peer: int
    copy: int
    seq: int
    entry: str
    ver: int
    at: int
    copy_id: bytes | None = None
    iat: int | None = None
    fields: str = ""
    policy: str = ""
    told: bool = False
    refused: str | None = None
    hops: str = ""
    given: str | None = None


@dataclass(frozen=True, slots=True)
class Offer(Row):
    """What a peer currently offers us of a record; a copy with no offer left is erased.

    `hops` are the lines that each of `fields` has crossed from its origin to us (see `node.support`).
    """

    TABLE = "offers"
    KEY = ("peer", "copy")
    INDEX = (("copy",), ("peer", "copy_id"))
    peer: int
    copy: int
    ver: int
    copy_id: bytes
    iat: int
    fields: str
    size: int
    hops: str


@dataclass(frozen=True, slots=True)
class OriginRow(Row):
    """The verified identity history of an origin we hold records of but may never have met."""

    TABLE = "origins"
    KEY = ("node_id",)
    node_id: str
    history: str
    name: str


@dataclass(frozen=True, slots=True)
class Quarantined(Row):
    """An entry that was refused, with its reason, and never its content."""

    TABLE = "quarantine"
    KEY = ("id",)
    INDEX = (("peer",), ("at",))
    id: int
    peer: int
    at: int
    code: str
    detail: str
    origin: str = ""
    rid: str = ""
    ver: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptRow(Row):
    """The last statement of a holder about a record; `doc` names the signed receipt it stands in."""

    TABLE = "receipts"
    KEY = ("holder", "origin", "rid")
    INDEX = (("origin", "rid"),)
    holder: str
    origin: str
    rid: str
    ver: int
    state: str
    at: int
    doc: bytes
    copy_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReceiptDoc(Row):
    """A signed receipt, whole. `to` is the origin it is addressed to; kept while a row of it counts."""

    TABLE = "receipt_docs"
    KEY = ("id",)
    id: bytes
    holder: str
    origin: str
    jws: str
    at: int


@dataclass(frozen=True, slots=True)
class Outgoing(Row):
    """Small signed documents waiting to be handed to a peer: relayed receipts, notices, misuse reports."""

    TABLE = "outgoing"
    KEY = ("id",)
    INDEX = (("peer",),)
    id: int
    peer: int
    what: str
    body: str
    at: int


@dataclass(frozen=True, slots=True)
class Erasure(Row):
    """Bytes still to be cleared from disk before a receipt may be signed for a record.

    `index_key` is the copy's key in the index, `files` a JSON list of attachments nobody refers to any more, and
    `receipt` says that the origin is owed a receipt: for `copy_id` of version `ver`. One that nobody waits for rests
    until `not_before`, or until there is another one to clear.
    """

    TABLE = "erasures"
    KEY = ("id",)
    INDEX = (("copy",),)
    id: int
    copy: int
    index_key: str
    asked_at: int
    ver: int
    receipt: bool
    copy_id: bytes | None = None
    files: str = "[]"
    not_before: int | None = None


@dataclass(frozen=True, slots=True)
class AttachmentRow(Row):
    """A file by hash: `have` bytes of `size` are on disk."""

    TABLE = "attachments"
    KEY = ("sha256",)
    sha256: str
    size: int
    have: int
    chunks: str
    media_type: str


@dataclass(frozen=True, slots=True)
class AttachmentRef(Row):
    """Which copy has which file in which field."""

    TABLE = "attachment_refs"
    KEY = ("sha256", "copy", "field")
    INDEX = (("copy",),)
    sha256: str
    copy: int
    field: str


@dataclass(frozen=True, slots=True)
class LinkRow(Row):
    """A link that a copy's `links` field holds, so that it can be followed backwards."""

    TABLE = "links"
    KEY = ("copy", "rel", "to_rid")
    INDEX = (("to_rid",),)
    copy: int
    rel: str
    to_rid: str


@dataclass(frozen=True, slots=True)
class CircleRow(Row):
    """A circle and its latest roster (`members` is a JSON list of node ids, `roster` the owner's signed document)."""

    TABLE = "circles"
    KEY = ("cid",)
    UNIQUE = (("id",),)
    cid: str
    id: int
    seq: int
    members: str
    roster: str
    former: str = "[]"


@dataclass(frozen=True, slots=True)
class Nonce(Row):
    """A request nonce that has been used; kept until the request would be too old anyway."""

    TABLE = "nonces"
    KEY = ("node_id", "nonce")
    INDEX = (("expires_at",),)
    node_id: str
    nonce: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class InviteRow(Row):
    """An invitation we made; used once."""

    TABLE = "invites"
    KEY = ("id",)
    id: str
    jws: str
    expires_at: int
    note: str
    used_by: str | None = None


ALL_ROWS: tuple[type[Row], ...] = (
    Meta, Copy, DraftRow, VersionRow, GrantRow, ContributorRow, PeerRow, Custody, Offer, OriginRow, Quarantined,
    ReceiptRow, ReceiptDoc, Outgoing, Erasure, AttachmentRow, AttachmentRef, LinkRow, CircleRow, Nonce, InviteRow,
    *GOVERNING_ROWS,
)  # fmt: skip
