"""Rows for the store's tests, with every column that a test does not name filled in by its type."""

from __future__ import annotations

from typing import Any, TypeVar

from node.store.columns import columns_of
from node.store.row import Row
from node.store.rows import Copy, Custody, OriginRow, Quarantined

R = TypeVar("R", bound=Row)
_BLANK: dict[type, Any] = {str: "", int: 0, bytes: b"", bool: False}


def row(kind: type[R], **given: Any) -> R:
    """A row; columns not given are null where they may be, else empty."""
    blank = {c.name: None if c.optional else _BLANK[c.kind] for c in columns_of(kind).values()}
    return kind(**(blank | given))


def copy(number: int, **given: Any) -> Copy:
    """A copy whose unique key follows from its number."""
    return row(Copy, **({"id": number, "origin": "did:key:zOrigin", "rid": f"r{number:06d}"} | given))


def custody(peer: int, number: int, seq: int, **given: Any) -> Custody:
    """What a peer must know of a copy."""
    return row(Custody, **({"peer": peer, "copy": number, "seq": seq, "entry": "put"} | given))


def origin(node_id: str, history: str = "") -> OriginRow:
    """The smallest row with a long text."""
    return row(OriginRow, node_id=node_id, history=history)


def quarantined(number: int, peer: int, at: int = 0, **given: Any) -> Quarantined:
    """A row with two indexes and no unique key beside the primary one."""
    return row(Quarantined, id=number, peer=peer, at=at, **given)
