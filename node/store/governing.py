"""The rows of governance: people and their rights, proposals and votes, holds, what was decided and what was said.

Same rules as `node.store.rows`, whose list of tables they join. No row here holds content of a record.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.store.row import Row

# --- people ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account(Row):
    """A person at this node; the password as libsodium's Argon2id string, empty until an invitation is taken up.

    `admin` may run the node whatever the role is. `totp` is the second factor's secret, sealed by a key outside the
    database (hex), in use once `totp_step` has moved from 0: the last time step that was accepted. `recovery` is a JSON
    list of hashes, `notices` one of what others did to the account and the person has not been told.
    """

    TABLE = "accounts"
    KEY = ("name",)
    name: str
    role: str
    password: str
    created_at: int
    disabled: bool = False
    admin: bool = False
    totp: str = ""
    totp_step: int = 0
    recovery: str = "[]"
    notices: str = "[]"


@dataclass(frozen=True, slots=True)
class Token(Row):
    """A session (`kind` session), an API token (api) or a browser that has signed in before (device).

    Known by the SHA-256 of its secret; scopes are a JSON list.
    """

    TABLE = "tokens"
    KEY = ("hash",)
    INDEX = (("account",), ("expires_at",))
    hash: bytes
    kind: str
    account: str
    label: str
    scopes: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class AccountInvite(Row):
    """A one-time link with which a person chooses the password of an account, by the SHA-256 of its secret.

    `name` is empty where the link makes the node's first account.
    """

    TABLE = "account_invites"
    KEY = ("hash",)
    INDEX = (("expires_at",),)
    hash: bytes
    name: str
    by: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class PrivateLink(Row):
    """A contributor's private link to their own page, by the SHA-256 of its secret; `lang` is theirs."""

    TABLE = "private_links"
    KEY = ("hash",)
    INDEX = (("subject",), ("expires_at",))
    hash: bytes
    id: str
    subject: str
    lang: str
    by: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    used_at: int | None = None


@dataclass(frozen=True, slots=True)
class ContributorAct(Row):
    """What a contributor did on their own page to one record, and who held what it touches at that moment.

    `ver` is the version that carries it (0: none was needed), `holders` a JSON object of node id to the hours in which
    it has to confirm. `receipt` is the signed consent receipt: it outlives the permission itself.
    """

    TABLE = "contributor_acts"
    KEY = ("id",)
    INDEX = (("subject",), ("gid",))
    id: str
    subject: str
    link: str
    rid: str
    what: str
    fields: str
    at: int
    gid: str
    ver: int = 0
    holders: str = "{}"
    receipt: str = ""


# --- proposals ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProposalRow(Row):
    """Something that stewards decide together: `body` is the typed act as JSON, `preview` its impact as JSON.

    `hash` binds votes to both; `seen` is the compressed set of what voters saw begin to be shared.
    """

    TABLE = "proposals"
    KEY = ("pid",)
    INDEX = (("state",), ("created_at",))
    pid: str
    kind: str
    state: str
    title: str
    body: str
    by: str
    created_at: int
    hash: str = ""
    preview: str = ""
    seen: bytes | None = None
    opened_at: int | None = None
    closes_at: int | None = None
    approved_at: int | None = None
    done_at: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class VoteRow(Row):
    """One steward's vote on one state of a proposal: `hash` is that state's."""

    TABLE = "votes"
    KEY = ("pid", "account")
    pid: str
    account: str
    choice: str
    hash: str
    at: int


@dataclass(frozen=True, slots=True)
class CommentRow(Row):
    """What somebody said about a proposal."""

    TABLE = "comments"
    KEY = ("id",)
    INDEX = (("pid",),)
    id: int
    pid: str
    account: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class ReleaseRow(Row):
    """A record that a rule holds, let go by the stewards: for one peer (`to` its node id) or for all (`to` empty).

    It counts for the words of version `ver` alone: an edit waits again.
    """

    TABLE = "releases"
    KEY = ("origin", "rid", "to")
    origin: str
    rid: str
    to: str
    ver: int
    pid: str
    at: int


@dataclass(frozen=True, slots=True)
class PolicyRow(Row):
    """A policy text that was in force here, by its version (the hash of the text)."""

    TABLE = "policies"
    KEY = ("version", "since")
    INDEX = (("since",),)
    version: str
    since: int
    name: str
    text: str
    pid: str = ""


@dataclass(frozen=True, slots=True)
class AgreementRow(Row):
    """An agreement that was in force with a peer, as both signed it; for answers about the past."""

    TABLE = "agreements"
    KEY = ("id",)
    INDEX = (("node_id",),)
    id: str
    node_id: str
    since: int
    source: str
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class Disclosure(Row):
    """What a peer was told of a record, when, and under what: kept after the record is gone, without content.

    `id` is the number of the ledger line. `fields` are names joined by commas, `grants` ids likewise; `rules` are what
    decided, in the short words of `node.explaining.remembering`. No `entry`: taken back before the peer heard of it.
    """

    TABLE = "disclosures"
    KEY = ("id",)
    INDEX = (("copy", "peer"),)
    id: int
    peer: int
    copy: int
    at: int
    entry: str
    ver: int
    fields: str
    policy: str
    agreement: str
    rules: str
    grants: str


@dataclass(frozen=True, slots=True)
class Handover(Row):
    """A part of a peer's feed, up to ledger line `upto`, as it was handed over, and when the peer confirmed it."""

    TABLE = "handovers"
    KEY = ("peer", "upto")
    peer: int
    upto: int
    at: int
    confirmed_at: int | None = None


# --- holds and reports ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HoldRow(Row):
    """An emergency hold of ours: `scope` is record, peer, circle or all, `target` what it stops.

    `origin` is the record's (a received one can be hidden here too); lifted when `lifted_at` is set.
    """

    TABLE = "holds"
    KEY = ("hid",)
    INDEX = (("lifted_at",),)
    hid: str
    scope: str
    origin: str
    target: str
    by: str
    at: int
    note: str = ""
    lifted_at: int | None = None
    lifted_by: str = ""


@dataclass(frozen=True, slots=True)
class HideRow(Row):
    """An origin's signed word that copies of its records are to be hidden, or shown again (`on`), for the time being.

    `scope` and `target` as in `HoldRow`; the higher `seq` counts. `id` numbers it for the feeds that pass it on.
    """

    TABLE = "hides"
    KEY = ("origin", "scope", "target")
    UNIQUE = (("id",),)
    INDEX = (("on",),)
    id: int
    origin: str
    scope: str
    target: str
    seq: int
    on: bool
    jws: str
    at: int


@dataclass(frozen=True, slots=True)
class ReportRow(Row):
    """A report about a record: made here (`mine`), come to us as its origin, or only handed on (`via`: from whom).

    What is handed on is kept without words, so that the answer finds its way back.
    """

    TABLE = "reports"
    KEY = ("id",)
    INDEX = (("origin", "rid"), ("state",))
    id: str
    origin: str
    rid: str
    ver: int
    mine: bool
    holder: str
    what: str
    text: str
    by: str
    at: int
    state: str
    via: int | None = None
    answer: str = ""
    answered_at: int | None = None


# --- the audit log --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Audit(Row):
    """What was done, by whom, when. `leaf` goes into the Merkle tree at `n`; the text can go, the leaf stays.

    Both are set by the log's own worker, in the order of `id`; `salt` keeps a short text from being guessed.
    `erased` is what the text hashed to before it went: it is set exactly where the text is gone.
    """

    TABLE = "audit"
    KEY = ("id",)
    INDEX = (("subject",), ("at",), ("n",))
    id: int
    at: int
    actor: str
    action: str
    subject: str = ""
    detail: str = ""
    salt: bytes | None = None
    n: int | None = None
    leaf: bytes | None = None
    erased: bytes | None = None


@dataclass(frozen=True, slots=True)
class AuditBlock(Row):
    """The root over a full block of leaves (`node.audit.tree`), so that proofs need not read all of them.

    Made again from the leaves at any time: the leaves are what counts.
    """

    TABLE = "audit_blocks"
    KEY = ("number",)
    number: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint(Row):
    """A signed head of our own log: the note as C2SP signed-note text, with the cosignatures gathered so far."""

    TABLE = "checkpoints"
    KEY = ("size",)
    INDEX = (("at",),)
    size: int
    root: bytes
    note: str
    at: int


@dataclass(frozen=True, slots=True)
class Witnessed(Row):
    """The last checkpoint of a peer's log that proved consistent, or the alarm that it did not.

    With an alarm `shown` is the note that does not fit: both are signed by the peer. `ours` is how much of our log
    the peer says it has witnessed, `refused` what it has against it, `asked_at` when we last asked it to look.
    """

    TABLE = "witnessed"
    KEY = ("node_id",)
    node_id: str
    size: int
    root: bytes
    note: str
    at: int
    alarm: str = ""
    shown: str = ""
    ours: int = 0
    refused: str = ""
    asked_at: int = 0


GOVERNING_ROWS: tuple[type[Row], ...] = (
    Account, Token, AccountInvite, PrivateLink, ContributorAct, ProposalRow, VoteRow, CommentRow, ReleaseRow, PolicyRow,
    AgreementRow, Disclosure, Handover, HoldRow, HideRow, ReportRow, Audit, AuditBlock, Checkpoint, Witnessed,
)  # fmt: skip
