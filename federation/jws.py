"""Compact JWS (RFC 7515) in one narrow form: Ed25519, a header of exactly alg, typ and kid, one typ per document.

The signature is checked before the payload is parsed. The typ is signed, so a document of one type can never be
replayed as another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from federation.encoding import b64url_decode, b64url_encode, dumps, loads
from federation.errors import Code, PeerError
from federation.keys import SIGNATURE_BYTES, SigningKey, signature_holds

ALG: Final = "Ed25519"  # RFC 9864: the fully specified name; the older "EdDSA" is refused
MAX_HEADER_CHARS: Final = 512  # ours take about 260
MAX_JWS_BYTES: Final = 256 * 1024  # DESIGN 5: the envelope without its disclosures
_HEADER_NAMES: Final = frozenset({"alg", "typ", "kid"})
_HEADERS_REMEMBERED: Final = 1024  # one per key of a peer; a header is parsed once, not once per record


class Typ(StrEnum):
    """The document types that are signed."""

    RECORD = "cw-record+sd-jwt"
    NODE = "cw-node+jwt"
    ROTATION = "cw-rotation+jwt"
    AGREEMENT = "cw-agreement+jwt"
    INVITE = "cw-invite+jwt"
    MANIFEST = "cw-manifest+jwt"
    RECEIPT = "cw-receipt+jwt"
    WITHDRAWAL = "cw-withdrawal+jwt"
    ROSTER = "cw-roster+jwt"
    HIDE = "cw-hide+jwt"
    NOTICE = "cw-notice+jwt"
    REPORT = "cw-report+jwt"
    ANSWER = "cw-answer+jwt"
    CONSENT = "cw-consent+jwt"
    CHECKPOINT = "cw-checkpoint+jwt"


@dataclass(frozen=True, slots=True)
class OpenedJws:
    """A token whose signature held: `payload` is decoded but not parsed."""

    typ: str
    kid: str
    payload: bytes
    signing_input: bytes


def sign(typ: Typ, kid: str, payload: Any, key: SigningKey) -> bytes:
    """The compact token over the canonical JSON of `payload`."""
    return sign_bytes(typ, kid, dumps(payload), key)


def sign_bytes(typ: Typ, kid: str, payload: bytes, key: SigningKey) -> bytes:
    """The compact token over exactly these payload bytes."""
    signing_input = f"{_header_segment(typ, kid)}.{b64url_encode(payload)}".encode("ascii")
    return signing_input + b"." + b64url_encode(key.sign(signing_input)).encode("ascii")


@lru_cache(_HEADERS_REMEMBERED)
def _header_segment(typ: Typ, kid: str) -> str:
    return b64url_encode(dumps({"alg": ALG, "typ": typ, "kid": kid}))


def split(token: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature segments; `PeerError` unless there are exactly three."""
    parts = token.split(b".", 3)
    if len(parts) != 3:
        raise PeerError(Code.JWS_FORM, "a signed document has three parts")
    return parts[0], parts[1], parts[2]


@lru_cache(_HEADERS_REMEMBERED)
def read_header(segment: bytes) -> tuple[str, str]:
    """typ and kid of a header segment; `PeerError` for another alg or any name beside alg, typ, kid."""
    if len(segment) > MAX_HEADER_CHARS:
        raise PeerError(Code.TOO_LARGE, "the header is too long")
    header = loads(b64url_decode(segment))
    if not isinstance(header, dict) or header.keys() != _HEADER_NAMES:
        raise PeerError(Code.HEADER_MEMBER, "a header has exactly alg, typ and kid")
    typ, kid = header["typ"], header["kid"]
    if header["alg"] != ALG:
        raise PeerError(Code.ALG, f"alg is {ALG} and nothing else")
    if not isinstance(typ, str):
        raise PeerError(Code.TYP, "typ is a word")
    if not isinstance(kid, str):
        raise PeerError(Code.KID, "kid is a word")
    return typ, kid


def verify(
    token: bytes | str, typ: Typ, resolve_key: Callable[[str], bytes], max_bytes: int = MAX_JWS_BYTES
) -> OpenedJws:
    """Open a token of exactly this typ, under the key that `resolve_key` gives for its kid.

    `resolve_key` raises `PeerError` for a key it does not know. Nothing of the payload is looked at before the
    signature holds.
    """
    raw = _token_bytes(token, max_bytes)
    header, payload, signature = split(raw)
    found_typ, kid = read_header(header)
    if found_typ != typ:
        raise PeerError(Code.TYP, f"typ is {found_typ!r} where {typ} is due")
    signature_bytes = b64url_decode(signature)
    signing_input = raw[: len(header) + 1 + len(payload)]
    if len(signature_bytes) != SIGNATURE_BYTES or not signature_holds(resolve_key(kid), signature_bytes, signing_input):
        raise PeerError(Code.BAD_SIGNATURE, "the signature does not hold")
    return OpenedJws(found_typ, kid, b64url_decode(payload), signing_input)


def peek(token: bytes | str, max_bytes: int = MAX_JWS_BYTES) -> tuple[str, str]:
    """typ and kid that a token claims, unverified: only to choose what to verify it as."""
    return read_header(split(_token_bytes(token, max_bytes))[0])


def _token_bytes(token: bytes | str, max_bytes: int) -> bytes:
    if len(token) > max_bytes:
        raise PeerError(Code.TOO_LARGE, f"a signed document has at most {max_bytes} bytes")
    if isinstance(token, bytes):
        return token
    try:
        return token.encode("ascii")
    except UnicodeEncodeError:
        raise PeerError(Code.JWS_FORM, "a signed document is ASCII") from None
