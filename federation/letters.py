"""Letters between stewards: a reader's report about a record on its way to the origin, and the origin's answer.

Letters travel with receipts, also through holders in between; their words are sealed to the addressee's X25519 key
(libsodium's sealed box), so that a report that somebody is in danger is read by those it is for alone.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Final

from nacl.bindings import crypto_box, crypto_box_seal_open
from nacl.exceptions import CryptoError
from pydantic import Field

from federation.documents import Id, RecordId, SignedDocument, VersionNumber
from federation.encoding import b64url_decode, b64url_encode
from federation.errors import Code, PeerError
from federation.identity import NodeId
from federation.jws import Typ
from federation.keys import KEY_BYTES, x25519_public

MAX_LETTER_CHARS: Final = 4_000  # two pages: more is a conversation, and people have telephones for that
MAX_SEALED_CHARS: Final = 22_000  # of base64url: that many characters in any script, and the box around them
_NONCE_BYTES: Final = 24


class What(StrEnum):
    """What a report is about."""

    DANGER = "danger"
    ERROR = "error"
    OTHER = "other"


class Answered(StrEnum):
    """What the origin did about a report."""

    READ = "read"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"


class Report(SignedDocument):
    """A holder (`iss`) tells the origin (`to`) that a record endangers somebody or is wrong; `text` is sealed."""

    typ = Typ.REPORT

    to: NodeId
    id: Id
    rid: RecordId
    ver: VersionNumber
    what: What
    text: Annotated[str, Field(max_length=MAX_SEALED_CHARS)]


class Answer(SignedDocument):
    """The origin (`iss`) answers the report `id` of a holder (`to`); `text` is sealed."""

    typ = Typ.ANSWER

    to: NodeId
    id: Id
    rid: RecordId
    done: Answered
    text: Annotated[str, Field(max_length=MAX_SEALED_CHARS)]


def seal_text(text: str, to: bytes, seed: bytes) -> str:
    """The words sealed to an X25519 public key; `seed` is a fresh 32-byte secret, used for this letter only."""
    once = x25519_public(seed)
    nonce = hashlib.blake2b(once + to, digest_size=_NONCE_BYTES).digest()
    sealed: bytes = once + crypto_box(text.encode(), nonce, to, seed)
    return b64url_encode(sealed)


def open_text(sealed: str, secret: bytes) -> str:
    """The words of a letter that was sealed to us; `PeerError` if it was not, or is no text."""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"an X25519 secret is {KEY_BYTES} bytes")
    try:
        opened: bytes = crypto_box_seal_open(b64url_decode(sealed), x25519_public(secret), secret)
        text = opened.decode()
    except (CryptoError, ValueError) as error:
        raise PeerError(Code.DOCUMENT, "this letter was not sealed to us") from error
    if len(text) > MAX_LETTER_CHARS:
        raise PeerError(Code.TOO_LARGE, f"a letter has at most {MAX_LETTER_CHARS} characters")
    return text
