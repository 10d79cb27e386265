"""Errors of the protocol core, by whose fault they are: the peer's bytes, our own call, or a step out of order.

Every rejection of foreign bytes is a `PeerError` with one stable `Code`, so that tests, vectors, quarantine
reasons and other implementations name the same defect by the same word.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why foreign bytes were refused; the values are part of the protocol and never change their meaning."""

    # encoding
    NOT_UTF8 = "not-utf8"
    BAD_JSON = "bad-json"
    DUPLICATE_KEY = "duplicate-key"
    NOT_FINITE = "not-finite"
    BIG_INTEGER = "big-integer"
    LONE_SURROGATE = "lone-surrogate"
    TOO_DEEP = "too-deep"
    BASE64 = "base64"
    BASE58 = "base58"
    # signatures and keys
    JWS_FORM = "jws-form"
    HEADER_MEMBER = "header-member"
    ALG = "alg"
    TYP = "typ"
    KID = "kid"
    BAD_KEY = "bad-key"
    BAD_SIGNATURE = "bad-signature"
    UNKNOWN_ISSUER = "unknown-issuer"
    KEY_NOT_OWNED = "key-not-owned"
    KEY_NOT_VALID_THEN = "key-not-valid-then"
    KEY_COMPROMISED = "key-compromised"
    ISS_MISMATCH = "iss-mismatch"
    # node history
    EMPTY_HISTORY = "empty-history"
    CHAIN = "chain"
    SEQUENCE = "sequence"
    BACK_IN_TIME = "back-in-time"
    NEXT_KEY = "next-key"
    KEY_REUSED = "key-reused"
    HISTORY_FORK = "history-fork"
    # the record envelope
    MEMBER = "member"
    RID = "rid"
    VERSION = "version"
    PREV = "prev"
    IAT = "iat"
    KIND = "kind"
    LANG = "lang"
    TERMS = "terms"
    TERMS_REPEATED = "terms-repeated"
    TERMS_INDEX = "terms-index"
    FIELDS = "fields"
    FIELD_NAME = "field-name"
    FIELD_FORM = "field-form"
    DIGEST_COUNT = "digest-count"
    DIGEST_FORM = "digest-form"
    DIGEST_REPEATED = "digest-repeated"
    RESERVED_NAME = "reserved-name"
    DISCLOSURE_FORM = "disclosure-form"
    DISCLOSURE_NAME = "disclosure-name"
    DISCLOSURE_REPEATED = "disclosure-repeated"
    DISCLOSURE_UNREFERENCED = "disclosure-unreferenced"
    SALT = "salt"
    SALT_REPEATED = "salt-repeated"
    TITLE_WITHHELD = "title-withheld"
    COMPACT_FORM = "compact-form"
    TOO_LARGE = "too-large"
    TOO_MANY_FIELDS = "too-many-fields"
    # other signed documents
    DOCUMENT = "document"
    NOT_A_PARTY = "not-a-party"
    PARTIES_DIFFER = "parties-differ"
    CIRCLE_OWNER = "circle-owner"
    MANIFEST = "manifest"
    # signed requests and responses
    SIGNATURE_HEADER = "signature-header"
    COMPONENTS = "components"
    TAG = "tag"
    AUTHORITY = "authority"
    RECIPIENT = "recipient"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    LIFETIME = "lifetime"
    NONCE = "nonce"
    CONTENT_DIGEST = "content-digest"
    # reconciliation
    RECONCILE = "reconcile"
    RECONCILE_ROUNDS = "reconcile-rounds"
    # the audit log
    CHECKPOINT = "checkpoint"
    PROOF = "proof"


class FederationError(Exception):
    """Anything the protocol core refuses."""


class PeerError(FederationError):
    """Foreign bytes that are not what the protocol says; `code` for machines, the message for people."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.code})"


class SealError(FederationError, ValueError):
    """Our own call asks to sign something that no peer would accept, or that would say more than it may."""


class ProtocolStateError(FederationError):
    """A step that is not allowed from the state the exchange or the reconciliation is in."""
