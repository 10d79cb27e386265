"""Running fingerprints of sets of 32-byte ids: their count and their sum modulo 2^256, so that a change costs O(1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_MODULUS: Final = 2**256


@dataclass
class Fingerprint:
    """A set's fingerprint that follows its changes."""

    count: int
    total: int

    @staticmethod
    def of(count: int, total: bytes) -> Fingerprint:
        """From the stored form."""
        return Fingerprint(count, int.from_bytes(total))

    def add(self, *ids: bytes) -> None:
        """Ids that joined the set."""
        self.count += len(ids)
        self.total = (self.total + sum(map(int.from_bytes, ids))) % _MODULUS

    def remove(self, *ids: bytes) -> None:
        """Ids that left it."""
        self.count -= len(ids)
        self.total = (self.total - sum(map(int.from_bytes, ids))) % _MODULUS

    def without(self, ids: Iterable[bytes]) -> Fingerprint:
        """The fingerprint of the set without these ids of it."""
        rest = Fingerprint(self.count, self.total)
        rest.remove(*ids)
        return rest

    @property
    def bytes(self) -> bytes:
        """The sum as stored and sent."""
        return self.total.to_bytes(32)


def mark_id(origin: str, rid: str) -> bytes:
    """The id of a withdrawal marker: SHA-256 of origin, a line feed, record id."""
    return hashlib.sha256(f"{origin}\n{rid}".encode()).digest()


def order_key(iat: int | None) -> int:
    """Where an item stands when sets are reconciled: its time, folded below 2^31 so that 2038 changes nothing."""
    return (iat or 0) & (2**31 - 1)
