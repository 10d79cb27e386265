"""The record envelope: an RFC 9901 SD-JWT in the strict profile of DESIGN 5.

Only `verify`, `seal` and `redact` make a `VerifiedEnvelope`; storage accepts nothing else. The exact signed bytes and
disclosure texts are kept, so members of a later version travel on unharmed. A disclosure is handled as its
decoded JSON text; its digest is over the canonical unpadded base64url of that text, as RFC 9901 section 4.2.3 says.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from federation import jws
from federation.claims import (
    MAX_COPY_BYTES,
    MAX_ENVELOPE_BYTES,
    MAX_FIELD_BYTES,
    MAX_FIELDS,
    SALT_BYTES,
    TITLE,
    Claims,
    RecordHead,
    disclosure_digest,
    disclosure_text,
    read_claims,
    read_disclosure,
    text_of,
    utf8_of,
)
from federation.encoding import JSONValue, b64url_bytes, b64url_decode, b64url_encode, dumps
from federation.errors import Code, PeerError, SealError
from federation.identity import KeyHistory, Role
from federation.jws import OpenedJws, Typ
from federation.keys import SigningKey, split_kid
from governance.terms import Terms

__all__ = [
    "RecordHead",
    "VerifiedEnvelope",
    "copy_id_of",
    "disclosure_digest",
    "disclosure_text",
    "redact",
    "seal",
    "verify",
    "verify_compact",
]

_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_VERIFIED: Final = object()


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedEnvelope:
    """A copy of one version of a record, verified; two are equal if they are the same copy of the same version.

    `texts` holds the exact disclosure text of each disclosed field, `digests` the base64url digest of every field.
    """

    head: RecordHead
    terms: tuple[Terms, ...]
    field_terms: Mapping[str, Terms]
    digests: Mapping[str, str]
    disclosed: Mapping[str, JSONValue]
    texts: Mapping[str, str]
    extra: Mapping[str, JSONValue]
    kid: str
    vid: str
    copy_id: str
    jws: bytes
    _proof: object = field(repr=False)

    def __post_init__(self) -> None:
        if self._proof is not _VERIFIED:
            raise TypeError("a VerifiedEnvelope comes from verify(), seal() or redact() only")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifiedEnvelope) and self.copy_id == other.copy_id and self.jws == other.jws

    def __hash__(self) -> int:
        return hash(self.copy_id)

    @property
    def iss(self) -> str:
        """The origin's node id."""
        return self.head.iss

    @property
    def rid(self) -> str:
        """The record id, for ever."""
        return self.head.rid

    @property
    def ver(self) -> int:
        """The version number, from 1."""
        return self.head.ver

    @property
    def prev(self) -> str | None:
        """The version id of the version before, None at version 1."""
        return self.head.prev

    @property
    def iat(self) -> int:
        """When it was sealed, in unix seconds by the origin's clock."""
        return self.head.iat

    @property
    def kind(self) -> str:
        """The record's kind."""
        return self.head.kind

    @property
    def lang(self) -> str:
        """The record's language, BCP 47."""
        return self.head.lang

    @property
    def withheld(self) -> tuple[str, ...]:
        """The names of the fields that this copy does not show, in signed order."""
        return tuple(name for name in self.digests if name not in self.disclosed)

    @property
    def disclosures(self) -> tuple[str, ...]:
        """The exact disclosure texts, in signed order of their fields."""
        return tuple(self.texts.values())

    def compact(self) -> str:
        """The copy as an RFC 9901 compact SD-JWT, for files and other software."""
        encoded = (b64url_encode(text.encode()) for text in self.texts.values())
        return "~".join((self.jws.decode("ascii"), *encoded, ""))


def copy_id_of(vid: str, digests: Iterable[str]) -> str:
    """SHA-256 in hex over the raw version id and the sorted raw digests (given in base64url) of disclosed fields."""
    return _copy_id(vid, _raw_digests(digests))


def _copy_id(vid: str, raw_digests: Iterable[bytes]) -> str:
    return sha256(bytes.fromhex(vid) + b"".join(sorted(raw_digests))).hexdigest()


def _raw_digests(digests: Iterable[str]) -> list[bytes]:
    # 43 characters and one A are 33 whole bytes, so all digests are decoded in one call.
    raw = a2b_base64("".join([f"{digest}A" for digest in digests]).encode("ascii").translate(_FROM_URL))
    return [raw[at : at + 32] for at in range(0, len(raw), 33)]


# --- verify ---------------------------------------------------------------------------------------------------------


def verify(
    token: bytes | str, disclosures: Sequence[str], history_of: Callable[[str], KeyHistory | None]
) -> VerifiedEnvelope:
    """Verify one copy: the signature, then every rule of the profile; `PeerError` names the first broken one.

    `disclosures` are decoded JSON texts in any order; `history_of` gives the verified history of a node id, or None
    for a node we do not know.
    """
    raw_texts = _within_limits(token, disclosures)
    histories: list[KeyHistory] = []

    def resolve(kid: str) -> bytes:
        node_id, _ = split_kid(kid)
        history = history_of(node_id)
        if history is None:
            raise PeerError(Code.UNKNOWN_ISSUER, "we do not know the node whose key signed this")
        histories.append(history)
        return history.public_of(kid, Role.REC)

    opened = jws.verify(token, Typ.RECORD, resolve, MAX_ENVELOPE_BYTES)
    claims = read_claims(opened)
    if claims.head.iss != histories[0].node_id:
        raise PeerError(Code.ISS_MISMATCH, "iss and kid name different nodes")
    histories[0].record_key(opened.kid, claims.head.iat)
    return _assemble(
        token if isinstance(token, bytes) else token.encode("ascii"), opened, claims, disclosures, raw_texts
    )


def verify_compact(text: str, history_of: Callable[[str], KeyHistory | None]) -> VerifiedEnvelope:
    """`verify` for the compact form `<jws>~<disclosure>~...~`, whose final tilde is part of it."""
    if len(text) > MAX_COPY_BYTES * 4 // 3 + MAX_FIELDS * 4:
        raise PeerError(Code.TOO_LARGE, f"a copy has at most {MAX_COPY_BYTES} bytes")
    if text.count("~") > MAX_FIELDS + 1:
        raise PeerError(Code.TOO_MANY_FIELDS, f"a record has at most {MAX_FIELDS} fields")
    token, *encoded = text.split("~")
    if not encoded or encoded.pop() != "":
        raise PeerError(Code.COMPACT_FORM, "the compact form ends with ~")
    return verify(token, [_decoded(segment) for segment in encoded], history_of)


def _decoded(segment: str) -> str:
    return text_of(b64url_decode(segment))


def _within_limits(token: bytes | str, disclosures: Sequence[str]) -> list[bytes]:
    """The UTF-8 of the disclosures, after every size limit: nothing is hashed or parsed before."""
    if len(token) > MAX_ENVELOPE_BYTES:
        raise PeerError(Code.TOO_LARGE, f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes")
    if len(disclosures) > MAX_FIELDS:
        raise PeerError(Code.TOO_MANY_FIELDS, f"a record has at most {MAX_FIELDS} fields")
    raw_texts = [utf8_of(text) for text in disclosures]
    sizes = [len(raw) for raw in raw_texts]
    if sizes and max(sizes) > MAX_FIELD_BYTES:
        raise PeerError(Code.TOO_LARGE, f"a field has at most {MAX_FIELD_BYTES} bytes")
    if len(token) + sum(sizes) > MAX_COPY_BYTES:
        raise PeerError(Code.TOO_LARGE, f"a copy has at most {MAX_COPY_BYTES} bytes")
    return raw_texts


def _assemble(
    token: bytes, opened: OpenedJws, claims: Claims, disclosures: Sequence[str], raw_texts: list[bytes]
) -> VerifiedEnvelope:
    """Match each disclosure to its field; every one has to belong somewhere, and only once."""
    name_of = dict(zip(_raw_digests(claims.digests.values()), claims.digests, strict=True))
    found: dict[str, tuple[str, JSONValue]] = {}
    salts: set[str] = set()
    raw_digests: list[bytes] = []
    for text, raw in zip(disclosures, raw_texts, strict=True):
        raw_digest = sha256(b64url_bytes(raw)).digest()
        name = name_of.get(raw_digest)
        if name is None:
            raise PeerError(Code.DISCLOSURE_UNREFERENCED, "a disclosure belongs to no field")
        if name in found:
            raise PeerError(Code.DISCLOSURE_REPEATED, f"field {name} is disclosed twice")
        salt, value = read_disclosure(text)
        salts.add(salt)
        found[name] = text, value
        raw_digests.append(raw_digest)
    if TITLE not in found:
        raise PeerError(Code.TITLE_WITHHELD, "a copy without its title does not travel")
    if len(salts) != len(found):
        raise PeerError(Code.SALT_REPEATED, "two fields share a salt")
    shown = [name for name in claims.digests if name in found]
    vid = sha256(opened.signing_input).hexdigest()
    return VerifiedEnvelope(
        head=claims.head,
        terms=claims.terms,
        field_terms=MappingProxyType(claims.field_terms),
        digests=MappingProxyType(claims.digests),
        disclosed=MappingProxyType({name: found[name][1] for name in shown}),
        texts=MappingProxyType({name: found[name][0] for name in shown}),
        extra=MappingProxyType(claims.extra),
        kid=opened.kid,
        vid=vid,
        copy_id=_copy_id(vid, raw_digests),
        jws=token,
        _proof=_VERIFIED,
    )


# --- seal and redact ------------------------------------------------------------------------------------------------


def seal(
    head: RecordHead,
    fields: Mapping[str, JSONValue],
    terms_of: Mapping[str, Terms],
    salts: bytes,
    key: SigningKey,
) -> VerifiedEnvelope:
    """Sign a new version with all its fields disclosed.

    `salts` are fresh random bytes, 16 for each field, never used before. `SealError` says what no peer would accept.
    What was just signed is read back by the same code that reads foreign copies, so nothing is ever sealed that a
    peer would refuse; only the signature is not checked again.
    """
    if fields.keys() != terms_of.keys():
        raise SealError("every field has terms and all terms have a field")
    if len(salts) != SALT_BYTES * len(fields):
        raise SealError(f"salts are {SALT_BYTES} bytes for each of the {len(fields)} fields")
    try:
        texts = [
            disclosure_text(salts[at * SALT_BYTES : (at + 1) * SALT_BYTES], value)
            for at, value in enumerate(fields.values())
        ]
        payload = dumps(_payload(head, fields, terms_of, texts))
        token = jws.sign_bytes(Typ.RECORD, key.kid(head.iss), payload, key)
        raw_texts = _within_limits(token, texts)
        opened = OpenedJws(Typ.RECORD, key.kid(head.iss), payload, token[: token.rindex(b".")])
        return _assemble(token, opened, read_claims(opened), texts, raw_texts)
    except (PeerError, TypeError, ValueError, RecursionError) as error:
        raise SealError(f"this record cannot be sealed: {error}") from error


def _payload(
    head: RecordHead, fields: Mapping[str, JSONValue], terms_of: Mapping[str, Terms], texts: Sequence[str]
) -> dict[str, Any]:
    distinct = list(dict.fromkeys(terms_of[name] for name in fields))
    index_of = {terms: index for index, terms in enumerate(distinct)}
    return {
        "iss": head.iss,
        "rid": head.rid,
        "ver": head.ver,
        "prev": head.prev,
        "iat": head.iat,
        "kind": head.kind,
        "lang": head.lang,
        "terms": [terms.to_json() for terms in distinct],
        "f": {
            name: {"t": index_of[terms_of[name]], "_sd": [disclosure_digest(text)]}
            for name, text in zip(fields, texts, strict=True)
        },
    }


def redact(envelope: VerifiedEnvelope, keep: Collection[str]) -> VerifiedEnvelope:
    """The copy that shows only the fields in `keep` that this one shows; the title is always among them.

    Names that are not disclosed are ignored: redaction can only narrow. `PeerError` if the title would be lost.
    """
    texts = {name: text for name, text in envelope.texts.items() if name in keep}
    if TITLE not in texts:
        raise PeerError(Code.TITLE_WITHHELD, "a copy without its title does not travel")
    if len(texts) == len(envelope.texts):
        return envelope
    return replace(
        envelope,
        disclosed=MappingProxyType({name: envelope.disclosed[name] for name in texts}),
        texts=MappingProxyType(texts),
        copy_id=copy_id_of(envelope.vid, [envelope.digests[name] for name in texts]),
    )
