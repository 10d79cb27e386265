"""What keeps second factors out of a stolen database: they are sealed with a key that lies in a file beside it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from node.clock import Entropy

_NONCE_BYTES: Final = 24


class Vault:
    """Seals a person's secrets; `key` is the 32 bytes of `keys/accounts.key`."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        self._sealing = hashlib.blake2b(key=key, digest_size=32, person=b"cw-totp-seal").digest()
        self._marking = hashlib.blake2b(key=key, digest_size=32, person=b"cw-recovery").digest()
        self._entropy = entropy

    def seal(self, account: str, secret: bytes) -> str:
        """The secret for the account's row, as hex; bound to the account, so that rows cannot be exchanged."""
        nonce = self._entropy.draw(_NONCE_BYTES)
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(secret, account.encode(), nonce, self._sealing)
        return (nonce + sealed).hex()

    def open(self, account: str, sealed: str) -> bytes | None:
        """The secret; None where the row was made under another key or for another account."""
        try:
            raw = bytes.fromhex(sealed)
            return bytes(
                crypto_aead_xchacha20poly1305_ietf_decrypt(
                    raw[_NONCE_BYTES:], account.encode(), raw[:_NONCE_BYTES], self._sealing
                )
            )
        except (ValueError, TypeError, CryptoError):
            return None

    def mark(self, account: str, code: str) -> str:
        """The hash of a recovery code; keyed, so that a stolen database cannot be searched for its 59 bits."""
        return hmac.new(self._marking, f"{account}\0{code}".encode(), "sha256").hexdigest()
