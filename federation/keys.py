"""Keys and their names: Ed25519 for signing, X25519 for sealing bundles, did:key as the name of both.

libsodium is the only verifier. Every new public key is checked to be a canonical point of the prime-order group, so
small-order and mixed-order keys, under which signatures mean nothing, never enter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_scalarmult_base,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from federation.encoding import b58_decode, b58_encode
from federation.errors import Code, PeerError

KEY_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
DID_PREFIX: Final = "did:key:"
_ED25519: Final = b"\xed\x01"  # multicodec ed25519-pub
_X25519: Final = b"\xec\x01"  # multicodec x25519-pub


_NAMES_REMEMBERED: Final = 256  # base58 is slow, and a node signs with the same few keys


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 pair made from a 32-byte seed; the secret never shows in `repr`."""

    public: bytes
    _secret: bytes = field(repr=False)

    @staticmethod
    def from_seed(seed: bytes) -> SigningKey:
        """The pair of a seed; seeds are drawn and kept elsewhere."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed is {SEED_BYTES} bytes")
        public, secret = crypto_sign_seed_keypair(seed)
        return SigningKey(public, secret)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature."""
        signed: bytes = crypto_sign(message, self._secret)
        return signed[:SIGNATURE_BYTES]

    @property
    def multibase(self) -> str:
        """`z6Mk...`, the public key as did:key writes it."""
        return encode_ed25519(self.public)

    def kid(self, node_id: str) -> str:
        """The key id under which this key signs for a node."""
        return f"{node_id}#{self.multibase}"


def signature_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """True if libsodium accepts the signature; wrong lengths are simply false."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def check_ed25519(public: bytes) -> bytes:
    """The key itself if it is a canonical point of the prime-order group; `PeerError` otherwise."""
    if len(public) != KEY_BYTES or not crypto_core_ed25519_is_valid_point(public):
        raise PeerError(Code.BAD_KEY, "not a usable Ed25519 public key")
    return public


@lru_cache(_NAMES_REMEMBERED)
def encode_ed25519(public: bytes) -> str:
    """`z6Mk...`."""
    return "z" + b58_encode(_ED25519 + public)


def encode_x25519(public: bytes) -> str:
    """`z6LS...`."""
    return "z" + b58_encode(_X25519 + public)


def decode_ed25519(multibase: str) -> bytes:
    """The checked public key of `z6Mk...`; `PeerError` if it is anything else."""
    return check_ed25519(_decode_multibase(multibase, _ED25519))


def decode_x25519(multibase: str) -> bytes:
    """The public key of `z6LS...`; the all-zero point is refused."""
    public = _decode_multibase(multibase, _X25519)
    if public == bytes(KEY_BYTES):
        raise PeerError(Code.BAD_KEY, "not a usable X25519 public key")
    return public


def _decode_multibase(multibase: str, codec: bytes) -> bytes:
    if not multibase.startswith("z"):
        raise PeerError(Code.BAD_KEY, "a key is written in base58btc, with a leading z")
    raw = b58_decode(multibase[1:])
    if raw[:2] != codec or len(raw) != 2 + KEY_BYTES:
        raise PeerError(Code.BAD_KEY, "a key of another type or length")
    return raw[2:]


def node_id_of(public: bytes) -> str:
    """The did:key of an identity key, which is a node's id for ever."""
    return DID_PREFIX + encode_ed25519(public)


def identity_key_of(node_id: str) -> bytes:
    """The first identity key that a node id spells out; `PeerError` if it is no did:key of an Ed25519 key."""
    if not node_id.startswith(DID_PREFIX):
        raise PeerError(Code.BAD_KEY, "a node id begins with did:key:")
    return decode_ed25519(node_id[len(DID_PREFIX) :])


def split_kid(kid: str) -> tuple[str, str]:
    """Node id and multibase key of `<node id>#<key>`; `PeerError` if the form is another."""
    node_id, mark, key = kid.partition("#")
    if not mark or not node_id.startswith(DID_PREFIX + "z6Mk") or not key.startswith("z6Mk") or "#" in key:
        raise PeerError(Code.KID, "a key id is <node id>#<key>")
    return node_id, key


def key_commitment(public: bytes) -> str:
    """SHA-256 of a public key in hex: what a node document promises as its next identity key."""
    return hashlib.sha256(public).hexdigest()


def x25519_public(secret: bytes) -> bytes:
    """The X25519 public key of a 32-byte secret."""
    if len(secret) != KEY_BYTES:
        raise ValueError(f"an X25519 secret is {KEY_BYTES} bytes")
    public: bytes = crypto_scalarmult_base(secret)
    return public
