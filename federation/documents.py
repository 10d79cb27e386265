"""The other signed documents: invite, agreement, notice, withdrawal, receipt, manifest, roster (DESIGN 5, 7, 8).

Each is a compact JWS with its own typ, signed with the node's record key and judged by the key valid at its `iat`.
Only `verify_document` and `verify_agreement` make the verified types; the exact bytes are kept, so members of a later
version stay in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from federation import jws
from federation.encoding import loads
from federation.errors import Code, PeerError
from federation.identity import MAX_URLS, BaseUrl, KeyHistory, NodeId, Role, Sha256Hex, Time
from federation.jws import OpenedJws, Typ
from federation.keys import DID_PREFIX, SigningKey, split_kid
from governance.terms import Purpose, is_circle_id

MAX_DOCUMENT_BYTES: Final = 256 * 1024  # a receipt or manifest at its item limit takes about 200 KiB
MAX_ITEMS: Final = 1000  # items in one receipt or manifest; a sync page has no more
MAX_MEMBERS: Final = 1000  # nodes in one circle
MAX_SCOPE: Final = 64  # kinds or topics that an agreement names
MAX_RESPONSE_H: Final = 24 * 90  # an erasure promised later than a quarter is no promise
MAX_NONCE_CHARS: Final = 64
MAX_CONFLICT_CHARS: Final = 1000  # who is asked first, and then: half a page
MAX_SENTENCES: Final = 32  # twice what an agreement with every clause needs
MAX_SENTENCE_CHARS: Final = 8000  # the longest names 64 topics of 64 characters, in words around them

HistoryOf = Callable[[str], KeyHistory | None]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}\z")]
RecordId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z")]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}\z")]
Topic = Annotated[str, Field(min_length=1, max_length=64)]
Lang = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\z")]
Sentence = Annotated[str, Field(min_length=1, max_length=MAX_SENTENCE_CHARS)]
Nonce = Annotated[str, Field(pattern=rf"^[A-Za-z0-9_-]{{22,{MAX_NONCE_CHARS}}}\z")]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}(:[A-Za-z0-9][A-Za-z0-9._-]{0,63})?\z")]


class _Frozen(BaseModel):
    # Members of a later version are ignored here and live on in the exact bytes that are kept.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class SignedDocument(_Frozen):
    """A document with one signer."""

    typ: ClassVar[Typ]

    iss: NodeId
    iat: Time


def _without_silence(value: dict[str, object], later: Mapping[str, object]) -> dict[str, object]:
    """Members that came later are not written where they say nothing: so what was signed before stays byte for byte."""
    return {name: v for name, v in value.items() if name not in later or v != later[name]}


class AtEnd(StrEnum):
    """What happens to the copies when an agreement ends."""

    ERASE = "erase"
    KEEP = "keep"


class Clauses(_Frozen):
    """What two nodes agree on; an empty `kinds` or `topics` means all of them, an empty `purposes` means none."""

    purposes: Annotated[frozenset[Purpose], Field(max_length=len(Purpose))]
    kinds: Annotated[tuple[Word, ...], Field(max_length=MAX_SCOPE)] = ()
    topics: Annotated[tuple[Topic, ...], Field(max_length=MAX_SCOPE)] = ()
    passing_on: bool = False
    attachments: bool = True
    withdrawal_response_h: Annotated[int, Field(ge=1, le=MAX_RESPONSE_H)] = 72
    at_end: AtEnd = AtEnd.ERASE
    starts: Time
    until: Time | None = None
    review: Time | None = None
    conflict: Annotated[str, Field(max_length=MAX_CONFLICT_CHARS)] = ""
    suspend_overdue: bool = False

    @model_serializer(mode="wrap")
    def _as_signed(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        return _without_silence(write(self), {"review": None, "conflict": "", "suspend_overdue": False})

    @field_validator("purposes", mode="before")
    @classmethod
    def _known_purposes(cls, value: object) -> object:
        # A purpose of a later version is dropped: without it less is allowed, never more.
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(purpose for purpose in Purpose if purpose in value)
        return value

    @field_serializer("purposes")
    def _in_order(self, purposes: frozenset[Purpose]) -> list[Purpose]:
        return sorted(purposes)  # a set has no order, signed bytes do

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until is not None and self.until <= self.starts:
            raise ValueError("an agreement ends after it begins")
        return self


class Invite(SignedDocument):
    """A one-time offer to meet, with where to find the node and the agreement it proposes."""

    typ = Typ.INVITE

    id: Id
    urls: Annotated[tuple[BaseUrl, ...], Field(min_length=1, max_length=MAX_URLS)]
    nonce: Nonce
    expires: Time
    clauses: Clauses
    lang: Lang | None = None

    @model_serializer(mode="wrap")
    def _as_signed(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        return _without_silence(write(self), {"lang": None})


class Agreement(_Frozen):
    """What both nodes sign, over the same bytes; `a` is the one that invited.

    `words` are the clauses as sentences in the language `lang`, made by the rendering of that number.
    """

    typ: ClassVar[Typ] = Typ.AGREEMENT

    id: Id
    n: VersionNumber
    iat: Time
    a: NodeId
    b: NodeId
    nonce: Nonce
    clauses: Clauses
    words: Annotated[tuple[Sentence, ...], Field(max_length=MAX_SENTENCES)] = ()
    lang: Lang | None = None
    rendering: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @model_serializer(mode="wrap")
    def _as_signed(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        value = write(self)
        value["words"] = list(self.words)
        return _without_silence(value, {"words": [], "lang": None, "rendering": 0})

    @model_validator(mode="after")
    def _two_parties(self) -> Self:
        if self.a == self.b:
            raise PeerError(Code.NOT_A_PARTY, "an agreement is between two nodes")
        return self

    def other(self, node_id: str) -> str:
        """The party that is not `node_id`."""
        return self.b if node_id == self.a else self.a


class NoticeKind(StrEnum):
    """What one side may declare alone, at once."""

    SUSPEND = "suspend"
    RESUME = "resume"
    END = "end"
    BLOCK = "block"


class Notice(SignedDocument):
    """A one-sided step of an agreement; of two notices of one node the higher `seq` counts."""

    typ = Typ.NOTICE

    to: NodeId
    agreement: Id
    kind: NoticeKind
    seq: Annotated[int, Field(ge=1, le=2**53 - 1)]
    reason: Annotated[str, Field(max_length=500)] = ""


class Withdrawal(SignedDocument):
    """The origin's instruction to erase a record up to and including `ver`; `relay` asks holders to hand it on."""

    typ = Typ.WITHDRAWAL

    rid: RecordId
    ver: VersionNumber
    reason: Word
    relay: bool = True


class ItemState(StrEnum):
    """What a holder states about one copy."""

    HELD = "held"
    ERASED = "erased"


class ReceiptItem(_Frozen):
    """One copy, by record, version and copy id."""

    rid: RecordId
    ver: VersionNumber
    copy_id: Annotated[Sha256Hex, Field(alias="copy")]
    state: ItemState

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", populate_by_name=True)


class Receipt(SignedDocument):
    """The holder (`iss`) states to the origin (`aud`) which copies it holds and which are gone from its disk."""

    typ = Typ.RECEIPT

    aud: NodeId
    items: Annotated[tuple[ReceiptItem, ...], Field(min_length=1, max_length=MAX_ITEMS)]


class ManifestItem(_Frozen):
    """One copy that was handed over: version id and the names of the fields it shows."""

    vid: Sha256Hex
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=256)]


class Manifest(SignedDocument):
    """What the sender (`iss`) handed to the receiver (`to`) in one transfer."""

    typ = Typ.MANIFEST

    to: NodeId
    items: Annotated[tuple[ManifestItem, ...], Field(max_length=MAX_ITEMS)]


class Roster(SignedDocument):
    """The members of a circle; only the node that the circle's id names may sign it, the higher `seq` counts."""

    typ = Typ.ROSTER

    circle: str
    seq: Annotated[int, Field(ge=1, le=2**53 - 1)]
    members: Annotated[tuple[NodeId, ...], Field(max_length=MAX_MEMBERS)]

    @model_validator(mode="after")
    def _owned(self) -> Self:
        if not is_circle_id(self.circle) or DID_PREFIX + self.circle.partition(".")[0] != self.iss:
            raise PeerError(Code.CIRCLE_OWNER, "a circle's roster is signed by the node that its id names")
        return self


_VERIFIED: Final = object()
D = TypeVar("D", bound=SignedDocument)
M = TypeVar("M", bound=_Frozen)


@dataclass(frozen=True, slots=True)
class Verified(Generic[D]):
    """A document whose signature and form hold; `id` is the SHA-256 of its signing input in hex."""

    document: D
    token: bytes
    kid: str
    id: str
    _proof: object = field(repr=False)

    def __post_init__(self) -> None:
        if self._proof is not _VERIFIED:
            raise TypeError("a Verified document comes from verify_document() only")


def sign_document(document: SignedDocument, key: SigningKey) -> bytes:
    """The token of a document, signed with the record key of its `iss`."""
    return jws.sign(document.typ, key.kid(document.iss), _to_json(document), key)


def verify_document(token: bytes | str, model: type[D], history_of: HistoryOf) -> Verified[D]:
    """Verify a document of exactly this type; `PeerError` names what does not hold."""
    raw = token.encode("ascii", "replace") if isinstance(token, str) else token
    signer = _Signer(history_of)
    opened = jws.verify(raw, model.typ, signer.resolve, MAX_DOCUMENT_BYTES)
    document = _read(opened, model)
    signer.check(document.iss, opened.kid, document.iat)
    return Verified(document, raw, opened.kid, hashlib.sha256(opened.signing_input).hexdigest(), _VERIFIED)


@dataclass(frozen=True, slots=True)
class VerifiedAgreement:
    """An agreement that carries one signature (a proposal) or both; `signers` are node ids.

    `id` is the SHA-256 of the payload, the same for either signature.
    """

    document: Agreement
    payload: bytes
    tokens: tuple[bytes, ...]
    signers: tuple[str, ...]
    id: str
    _proof: object = field(repr=False)

    def __post_init__(self) -> None:
        if self._proof is not _VERIFIED:
            raise TypeError("a VerifiedAgreement comes from verify_agreement() only")

    @property
    def complete(self) -> bool:
        """True if both parties signed."""
        return len(self.signers) == 2


def sign_agreement(agreement: Agreement, node_id: str, key: SigningKey) -> bytes:
    """The token of one party over the canonical bytes of an agreement."""
    return jws.sign(Typ.AGREEMENT, key.kid(node_id), _to_json(agreement), key)


def countersign(proposal: VerifiedAgreement, node_id: str, key: SigningKey) -> bytes:
    """The second party's token over exactly the bytes that the first one signed."""
    return jws.sign_bytes(Typ.AGREEMENT, key.kid(node_id), proposal.payload, key)


def verify_agreement(tokens: tuple[bytes, ...], history_of: HistoryOf) -> VerifiedAgreement:
    """Verify a proposal (one token) or a complete agreement (two tokens over the same payload bytes, either order)."""
    if not 1 <= len(tokens) <= 2:
        raise PeerError(Code.NOT_A_PARTY, "an agreement has one or two signatures")
    payloads: set[bytes] = set()
    signers: list[str] = []
    for token in tokens:
        signer = _Signer(history_of)
        opened = jws.verify(token, Typ.AGREEMENT, signer.resolve, MAX_DOCUMENT_BYTES)
        document = _read(opened, Agreement)
        node_id = split_kid(opened.kid)[0]
        if node_id not in (document.a, document.b):
            raise PeerError(Code.NOT_A_PARTY, "an agreement is signed by its parties")
        signer.check(node_id, opened.kid, document.iat)
        payloads.add(opened.payload)
        signers.append(node_id)
    if len(payloads) != 1:
        raise PeerError(Code.PARTIES_DIFFER, "the two parties signed different texts")
    if len(set(signers)) != len(signers):
        raise PeerError(Code.NOT_A_PARTY, "the same party signed twice")
    payload = payloads.pop()
    return VerifiedAgreement(
        document, payload, tuple(tokens), tuple(signers), hashlib.sha256(payload).hexdigest(), _VERIFIED
    )


class _Signer:
    """Finds the key of a kid first by owner, and judges it by time once the payload has been verified."""

    def __init__(self, history_of: HistoryOf) -> None:
        self._history_of = history_of
        self._history: KeyHistory | None = None

    def resolve(self, kid: str) -> bytes:
        node_id, _ = split_kid(kid)
        self._history = self._history_of(node_id)
        if self._history is None:
            raise PeerError(Code.UNKNOWN_ISSUER, "we do not know the node whose key signed this")
        return self._history.public_of(kid, Role.REC)

    def check(self, iss: str, kid: str, iat: int) -> None:
        assert self._history is not None
        if iss != self._history.node_id:
            raise PeerError(Code.ISS_MISMATCH, "iss and kid name different nodes")
        self._history.record_key(kid, iat)


def _to_json(document: _Frozen) -> dict[str, object]:
    return document.model_dump(mode="json", by_alias=True)


def _read(opened: OpenedJws, model: type[M]) -> M:
    loads(opened.payload)  # strictness that pydantic's own reader does not have
    try:
        return model.model_validate_json(opened.payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PeerError(Code.DOCUMENT, f"{model.__name__.lower()}: {where}: {first['msg']}") from None
