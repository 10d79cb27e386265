"""Who a node is: its signed, chained, append-only history of node documents and rotations (DESIGN 6).

The node id is the did:key of the first identity key, for ever. Each entry is a whole node document that names the
hash of the entry before. The identity key in force signs updates (`cw-node+jwt`); only the key whose SHA-256 was
committed beforehand can sign a rotation (`cw-rotation+jwt`), and only a rotation sets the next commitment. So who
steals an identity key can publish, but can neither keep the node nor stop its stewards from taking it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from federation import jws
from federation.encoding import loads
from federation.errors import Code, PeerError
from federation.jws import OpenedJws, Typ
from federation.keys import (
    SigningKey,
    decode_ed25519,
    decode_x25519,
    encode_ed25519,
    identity_key_of,
    key_commitment,
    split_kid,
)
from governance.terms import MAX_UNTIL

MAX_HISTORY_ENTRIES: Final = 1000  # a change a week for twenty years; a history is served and checked whole
MAX_ENTRY_BYTES: Final = 32 * 1024  # a full document with every list at its limit takes about 17 KiB
MAX_URLS: Final = 8  # https, onion and a few mirrors
MAX_URL_CHARS: Final = 300
MAX_NAME_CHARS: Final = 200
MAX_CONTACT_CHARS: Final = 500
MAX_TAGS: Final = 64  # regions or languages of one organisation
MAX_COMPROMISED: Final = 64  # keys declared lost in one document

Time = Annotated[int, Field(ge=0, le=MAX_UNTIL)]
Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,35}\z")]
NodeId = Annotated[str, Field(pattern=r"^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}\z")]
BaseUrl = Annotated[
    str, Field(max_length=MAX_URL_CHARS, pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?\z")
]


class Role(StrEnum):
    """What a current key is for: requests, records and lasting documents, or log checkpoints."""

    REQ = "req"
    REC = "rec"
    LOG = "log"


class _Frozen(BaseModel):
    # Members of a later version are ignored here and live on in the exact bytes that are kept.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class CurrentKey(_Frozen):
    """A public key in multibase and the second from which it signs."""

    key: Annotated[str, Field(pattern=r"^z6(Mk|LS)[1-9A-HJ-NP-Za-km-z]{44}\z")]
    since: Time

    @field_validator("key")
    @classmethod
    def _usable(cls, key: str) -> str:
        (decode_ed25519 if key.startswith("z6Mk") else decode_x25519)(key)
        return key


class CurrentKeys(_Frozen):
    """One key for each use; no two uses share one."""

    req: CurrentKey
    rec: CurrentKey
    log: CurrentKey
    x25519: CurrentKey

    @model_validator(mode="after")
    def _types_and_distinct(self) -> Self:
        signing = [self.req.key, self.rec.key, self.log.key]
        if not all(key.startswith("z6Mk") for key in signing) or not self.x25519.key.startswith("z6LS"):
            raise ValueError("req, rec and log are Ed25519 keys, x25519 is an X25519 key")
        if len(set(signing)) != len(signing):
            raise PeerError(Code.KEY_REUSED, "req, rec and log are three different keys")
        return self


class NodeDocument(_Frozen):
    """What a node says about itself; `compromised` maps key ids to the second from which they are not believed."""

    iss: NodeId
    seq: Annotated[int, Field(ge=1, le=MAX_HISTORY_ENTRIES)]
    iat: Time
    prev: Sha256Hex | None
    next: Sha256Hex
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    regions: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] = ()
    languages: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] = ()
    contact: Annotated[str, Field(max_length=MAX_CONTACT_CHARS)] = ""
    urls: Annotated[tuple[BaseUrl, ...], Field(max_length=MAX_URLS)] = ()
    keys: CurrentKeys
    protocols: Annotated[tuple[Tag | Annotated[str, Field(max_length=40)], ...], Field(min_length=1, max_length=8)]
    compromised: Annotated[dict[str, Time], Field(max_length=MAX_COMPROMISED)] = {}

    def key(self, role: Role) -> CurrentKey:
        """The current key of a role."""
        key: CurrentKey = getattr(self.keys, role.value)
        return key


def sign_entry(document: NodeDocument, key: SigningKey, *, rotation: bool = False) -> bytes:
    """One history entry; `key` is the identity key in force, or with `rotation` the one that was committed to."""
    typ = Typ.ROTATION if rotation else Typ.NODE
    return jws.sign(typ, key.kid(document.iss), document.model_dump(mode="json"), key)


def entry_hash(entry: bytes) -> str:
    """SHA-256 in hex over the exact bytes of an entry: what the next entry names as `prev`."""
    return hashlib.sha256(entry).hexdigest()


@dataclass(frozen=True, slots=True)
class KeySpan:
    """A key of one role: valid for signing times from `since` to `until`, both included; `until` None is open."""

    kid: str
    public: bytes
    role: Role
    since: int
    until: int | None


_VERIFIED: Final = object()


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """A node's verified history; only `verify_history` makes one."""

    node_id: str
    entries: tuple[bytes, ...]
    documents: tuple[NodeDocument, ...]
    rotations: frozenset[int]
    identity_public: bytes
    spans: Mapping[str, KeySpan]
    compromised: Mapping[str, int]
    _proof: object

    def __post_init__(self) -> None:
        if self._proof is not _VERIFIED:
            raise TypeError("a KeyHistory comes from verify_history() only")

    @property
    def current(self) -> NodeDocument:
        """The newest node document."""
        return self.documents[-1]

    @property
    def head(self) -> str:
        """The hash of the newest entry."""
        return entry_hash(self.entries[-1])

    def public_of(self, kid: str, role: Role) -> bytes:
        """The public key of a kid this node ever used in that role, without asking when."""
        span = self.spans.get(kid)
        if span is None or span.role is not role:
            raise PeerError(Code.KEY_NOT_OWNED, "the key id is not one of this node's keys for this use")
        return span.public

    def key_valid_at(self, kid: str, role: Role, at: int) -> bytes:
        """The public key if it was valid at `at` (unix seconds) and not declared compromised from then or before."""
        public = self.public_of(kid, role)
        span = self.spans[kid]
        if at < span.since or (span.until is not None and at > span.until):
            raise PeerError(Code.KEY_NOT_VALID_THEN, "the key was not in use at that time")
        lost_from = self.compromised.get(kid)
        if lost_from is not None and at >= lost_from:
            raise PeerError(Code.KEY_COMPROMISED, "the key was declared compromised from an earlier time")
        return public

    def record_key(self, kid: str, at: int) -> bytes:
        """The key for records and lasting documents, valid at their `iat`."""
        return self.key_valid_at(kid, Role.REC, at)

    def request_key(self, kid: str, at: int) -> bytes:
        """The key for requests, valid at their `created`."""
        return self.key_valid_at(kid, Role.REQ, at)

    def log_key(self, kid: str, at: int) -> bytes:
        """The key for log checkpoints."""
        return self.key_valid_at(kid, Role.LOG, at)


def verify_history(entries: Sequence[bytes]) -> KeyHistory:
    """Check a whole history from its first entry; `PeerError` names the first thing that does not chain."""
    if not entries:
        raise PeerError(Code.EMPTY_HISTORY, "a history has at least one entry")
    if len(entries) > MAX_HISTORY_ENTRIES:
        raise PeerError(Code.TOO_LARGE, f"a history has at most {MAX_HISTORY_ENTRIES} entries")
    chain = _Chain()
    for entry in entries:
        chain.append(bytes(entry))
    return chain.close()


class _Chain:
    """The state of a history while its entries are checked one by one."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.documents: list[NodeDocument] = []
        self.rotations: set[int] = set()
        self.identity = b""
        self.spans: dict[str, KeySpan] = {}
        self.compromised: dict[str, int] = {}

    def append(self, entry: bytes) -> None:
        typ, kid = jws.peek(entry, MAX_ENTRY_BYTES)
        node_id, multibase = split_kid(kid)
        signer = decode_ed25519(multibase)
        rotation = self._check_signer(typ, node_id, signer)
        opened = jws.verify(entry, Typ.ROTATION if rotation else Typ.NODE, lambda _: signer, MAX_ENTRY_BYTES)
        document = _read(opened)
        self._check_link(document, node_id, rotation, signer)
        self._take_keys(document, signer)
        if rotation:
            self.rotations.add(len(self.entries))
        self.identity = signer
        self.entries.append(entry)
        self.documents.append(document)

    def _check_signer(self, typ: str, node_id: str, signer: bytes) -> bool:
        """True for a rotation. The key is judged before the signature, the signature before the document."""
        if not self.documents:
            if typ != Typ.NODE:
                raise PeerError(Code.TYP, "a history begins with a node document")
            if signer != identity_key_of(node_id):
                raise PeerError(Code.KEY_NOT_OWNED, "the first entry is signed by the key that the node id spells out")
            return False
        last = self.documents[-1]
        if node_id != last.iss:
            raise PeerError(Code.ISS_MISMATCH, "an entry of another node")
        if typ == Typ.ROTATION:
            if key_commitment(signer) != last.next:
                raise PeerError(Code.NEXT_KEY, "a rotation is signed by the key that was committed to beforehand")
            return True
        if typ != Typ.NODE:
            raise PeerError(Code.TYP, "a history holds node documents and rotations")
        if signer != self.identity:
            raise PeerError(Code.KEY_NOT_OWNED, "an update is signed by the identity key in force")
        return False

    def _check_link(self, document: NodeDocument, node_id: str, rotation: bool, signer: bytes) -> None:
        if document.iss != node_id:
            raise PeerError(Code.ISS_MISMATCH, "iss and kid name different nodes")
        if document.seq != len(self.documents) + 1:
            raise PeerError(Code.SEQUENCE, f"entry {len(self.documents) + 1} calls itself {document.seq}")
        if document.prev != (entry_hash(self.entries[-1]) if self.entries else None):
            raise PeerError(Code.CHAIN, "the entry does not name the hash of the entry before it")
        if any(not kid.startswith(f"{node_id}#") for kid in document.compromised):
            raise PeerError(Code.KEY_NOT_OWNED, "a node declares only its own keys compromised")
        if document.next == key_commitment(signer):
            raise PeerError(Code.NEXT_KEY, "the next identity key is another than the present one")
        if not self.documents:
            return
        last = self.documents[-1]
        if document.iat < last.iat:
            raise PeerError(Code.BACK_IN_TIME, "the entry is older than the one before it")
        if not rotation and document.next != last.next:
            raise PeerError(Code.NEXT_KEY, "only a rotation sets the next identity key")

    def _take_keys(self, document: NodeDocument, signer: bytes) -> None:
        earliest = self.documents[-1].iat if self.documents else 0
        if encode_ed25519(signer) in {document.key(role).key for role in Role}:
            raise PeerError(Code.KEY_REUSED, "the identity key signs nothing but the history")
        for role in Role:
            self._take_key(document, role, earliest)
        for kid, lost_from in document.compromised.items():
            # A later entry can date a loss earlier, never take the declaration back.
            self.compromised[kid] = min(lost_from, self.compromised.get(kid, lost_from))

    def _take_key(self, document: NodeDocument, role: Role, earliest: int) -> None:
        declared = document.key(role)
        kid = f"{document.iss}#{declared.key}"
        span = self.spans.get(kid)
        if span is not None:
            if span.role is not role or span.until is not None:
                raise PeerError(Code.KEY_REUSED, "a key returns, or serves a second use")
            if span.since != declared.since:
                raise PeerError(Code.BACK_IN_TIME, "the start of a key already published was changed")
            return
        # A new key may not reach back behind what was already published, or it could sign the past.
        if not earliest <= declared.since <= document.iat:
            raise PeerError(Code.BACK_IN_TIME, "a new key starts between the entry before and this one")
        for old in [s for s in self.spans.values() if s.role is role and s.until is None]:
            self.spans[old.kid] = KeySpan(old.kid, old.public, role, old.since, declared.since)
        self.spans[kid] = KeySpan(kid, decode_ed25519(declared.key), role, declared.since, None)

    def close(self) -> KeyHistory:
        return KeyHistory(
            node_id=self.documents[0].iss,
            entries=tuple(self.entries),
            documents=tuple(self.documents),
            rotations=frozenset(self.rotations),
            identity_public=self.identity,
            spans=MappingProxyType(self.spans),
            compromised=MappingProxyType(self.compromised),
            _proof=_VERIFIED,
        )


def _read(opened: OpenedJws) -> NodeDocument:
    loads(opened.payload)  # strictness that pydantic's own reader does not have
    try:
        return NodeDocument.model_validate_json(opened.payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PeerError(Code.DOCUMENT, f"node document: {where}: {first['msg']}") from None


class Standing(StrEnum):
    """How an offered history stands to the one that is pinned."""

    SAME = "same"
    EXTENDS = "extends"
    OLDER = "older"
    RECOVERS = "recovers"
    FORKS = "forks"


def compare_with_pinned(pinned: KeyHistory, offered: KeyHistory) -> Standing:
    """Where two verified histories part.

    `RECOVERS` is the one lawful parting: the offered branch begins with a rotation, signed by the pre-committed key,
    and the pinned branch holds only updates, which a stolen identity key could have signed. Everything else that
    parts is `FORKS`, an alarm.
    """
    if offered.node_id != pinned.node_id:
        return Standing.FORKS
    shared = 0
    for mine, theirs in zip(pinned.entries, offered.entries, strict=False):
        if mine != theirs:
            break
        shared += 1
    if shared == len(pinned.entries):
        return Standing.SAME if shared == len(offered.entries) else Standing.EXTENDS
    if shared == len(offered.entries):
        return Standing.OLDER
    superseded = range(shared, len(pinned.entries))
    if shared in offered.rotations and not any(index in pinned.rotations for index in superseded):
        return Standing.RECOVERS
    return Standing.FORKS


def extends(pinned: KeyHistory, offered: KeyHistory) -> bool:
    """True if the offered history is to replace the pinned one, False if it has nothing new.

    Raises `PeerError` with `history-fork` when it does not start with the pinned one: an alarm, never an update.
    """
    standing = compare_with_pinned(pinned, offered)
    if standing is Standing.FORKS:
        raise PeerError(Code.HISTORY_FORK, "the history does not continue the one we know this node by")
    return standing in (Standing.EXTENDS, Standing.RECOVERS)
