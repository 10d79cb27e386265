"""People, their sessions, second factors, invitations and API tokens.

The store never sees a password or a secret, only what can check one.
"""

from __future__ import annotations

from node.accounts.brake import (
    FREE_FAILURES,
    FREE_OF_STRANGERS,
    MAX_PAUSE_OF_STRANGERS_S,
    MAX_PAUSE_S,
    MAX_TRACKED,
    Brake,
    Source,
    source_of,
)
from node.accounts.desk import SECRET_BYTES, Desk, Note, set_role, stewards
from node.accounts.devices import DEVICE_S
from node.accounts.errors import LoginFailed, TooManyAttempts
from node.accounts.factor import SecondFactor
from node.accounts.invitations import Invitations, Invited, Joined
from node.accounts.passwords import (
    HASHES_AT_ONCE,
    HASHES_WAITING,
    MAX_PASSWORD_BYTES,
    MIN_PASSWORD_CHARS,
    MODERATE,
    Cost,
    Hasher,
)
from node.accounts.people import People
from node.accounts.signing_in import SESSION_S, SignedIn
from node.accounts.tokens import Tokens
from node.accounts.vault import Vault
from node.clock import Clock, Entropy
from node.store.port import Store

__all__ = [
    "DEVICE_S", "FREE_FAILURES", "FREE_OF_STRANGERS", "HASHES_AT_ONCE", "HASHES_WAITING", "MAX_PASSWORD_BYTES",
    "MAX_PAUSE_OF_STRANGERS_S", "MAX_PAUSE_S", "MAX_TRACKED", "MIN_PASSWORD_CHARS", "MODERATE", "SECRET_BYTES",
    "SESSION_S", "Accounts", "Brake", "Cost", "Hasher", "Invited", "Joined", "LoginFailed", "Note", "SignedIn",
    "Source", "TooManyAttempts", "Vault", "set_role", "source_of", "stewards",
]  # fmt: skip


class Accounts(Invitations, SecondFactor, Tokens, People):
    """All rooms behind one door, on one desk."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        note: Note,
        *,
        hasher: Hasher | None = None,
        address: str = "",
        issuer: str = "",
    ) -> None:
        super().__init__(
            Desk(store, clock, entropy, hasher or Hasher(entropy), vault, note, address=address, issuer=issuer)
        )
