"""Confirmations of withdrawals that are late: what a peer owes us, and what we owe it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from federation.documents import ItemState, Receipt
from federation.encoding import b64url_decode
from node.peerbook import KnownPeer
from node.store.port import Reader
from node.store.rows import Copy, Custody, Entry, Erasure, Outgoing, ReceiptRow, State

HOUR_S: Final = 3600
DEFAULT_RESPONSE_H: Final = 72


@dataclass(frozen=True, slots=True)
class Late:
    """How many confirmations are late, since when the oldest is awaited, and the newest one."""

    count: int = 0
    oldest: int = 0
    newest: int = 0


def _late(since: Sequence[int]) -> Late:
    return Late(len(since), min(since), max(since)) if since else Late()


def response_s(peer: KnownPeer) -> int:
    """The time the agreement gives for a confirmation."""
    return (peer.clauses.response_h if peer.clauses else DEFAULT_RESPONSE_H) * HOUR_S


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """One of our records that was taken back, and when."""

    copy: int
    rid: str
    at: int


async def withdrawals(reader: Reader, own: str) -> tuple[Withdrawn, ...]:
    """All that we took back; read once for many peers."""
    copies = await reader.find(Copy, {"origin": own, "state": State.WITHDRAWN})
    return tuple(Withdrawn(c.id, c.rid, withdrawn_at(c)) for c in copies)


async def owed_to_us(reader: Reader, own: str, peer: KnownPeer, withdrawn: Sequence[Withdrawn], now: int) -> Late:
    """Withdrawals of our records that the peer had, and has not confirmed in time, whether it has heard or not."""
    due = {w.copy: w for w in withdrawn if now > w.at + response_s(peer)}
    lines = await reader.get_many(Custody, [(peer.row.id, number) for number in due])
    had = [due[line.copy] for line in lines if _handed_over(line, peer)]
    receipts = await reader.get_many(ReceiptRow, [(peer.node_id, own, w.rid) for w in had])
    erased = {r.rid: r.at for r in receipts if r.state == ItemState.ERASED}
    return _late([w.at for w in had if erased.get(w.rid, -1) < w.at])


def _handed_over(line: Custody, peer: KnownPeer) -> bool:
    """True if the peer may have had the record: a line for a marker alone, or never issued, gave it nothing."""
    return line.told or (line.entry == Entry.PUT and line.seq <= peer.row.issued)


async def owed_by_us(reader: Reader, peer: KnownPeer, now: int) -> Late:
    """Withdrawals of the peer's records that we should have confirmed by now: not cleared yet, or not handed over."""
    waiting = [e.copy for e in await reader.find(Erasure) if e.receipt]
    owed = {c.rid: c for c in await reader.get_many(Copy, [(n,) for n in waiting]) if c.origin == peer.node_id}
    for item in await reader.find(Outgoing, {"peer": peer.row.id, "what": "receipt"}):
        rids = _erased(item.body, peer.node_id)
        found = await reader.get_many(Copy, [(peer.node_id, rid) for rid in rids], by=("origin", "rid"))
        owed |= {c.rid: c for c in found}
    since = [withdrawn_at(c) for c in owed.values() if c.state == State.WITHDRAWN]
    return _late([at for at in since if now > at + response_s(peer)])


def withdrawn_at(copy: Copy) -> int:
    """The second at which the origin signed the withdrawal; 0 without one."""
    return int(json.loads(b64url_decode((copy.withdrawal or "").split(".")[1]))["iat"]) if copy.withdrawal else 0


def _erased(token: str, origin: str) -> list[str]:
    """The records that a receipt of ours confirms to the origin as erased."""
    receipt = Receipt.model_validate_json(b64url_decode(token.split(".")[1]))
    return [i.rid for i in receipt.items if receipt.aud == origin and i.state is ItemState.ERASED]
