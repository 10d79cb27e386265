"""This node's side of a session with one peer: the effects that happen here (see `federation.exchange`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from federation.effects import (
    Delivered,
    Effect,
    Forget,
    HandOut,
    Items,
    MarksOf,
    MarkSwap,
    NextPage,
    Outbox,
    Prepare,
    Requeue,
    ResetCursor,
    TakeAck,
    TakeMarks,
    Unheard,
    Which,
)
from federation.effects import Intake as IntakeEffect
from federation.messages import Ack, Mail
from federation.negentropy import Item
from node.acks import Acks, issuer
from node.core import Core
from node.fingerprint import mark_id
from node.intake import Intake
from node.peerbook import known_origins
from node.sharing import Sharing
from node.store.port import Reader
from node.store.rows import Copy, Custody, Entry, Outgoing, PeerRow

MAX_MARKS: Final = 2_000  # withdrawals handed over in one swap; the next round brings the rest
OUTBOX: Final = 50
MAILED: Final = ("receipt", "report", "letter")
MARK_KEY: Final = 0  # markers have no order of their own


class Sides:
    """Makes the side of any peer; one lock each, held for a step and never across the network."""

    def __init__(self, core: Core, sharing: Sharing, intake: Intake, acks: Acks) -> None:
        self._core = core
        self._sharing = sharing
        self._intake = intake
        self._acks = acks
        self._locks: dict[int, asyncio.Lock] = {}

    async def perform(self, peer_id: int, effect: Effect, sent: list[int]) -> Any:
        """Do one effect; `sent` remembers which documents of the outbox are on their way."""
        async with self._locks.setdefault(peer_id, asyncio.Lock()):
            return await self._do(peer_id, effect, sent)

    async def _do(self, peer_id: int, effect: Effect, sent: list[int]) -> Any:  # noqa: PLR0912 - one line an effect
        match effect:
            case Prepare():
                return await self._sharing.ready(peer_id)
            case ResetCursor():
                return await self._reset(peer_id)
            case IntakeEffect():
                return await self._intake.take(peer_id, effect.page)
            case NextPage():
                return await self._sharing.page(peer_id, effect.after)
            case Unheard():
                return await self._sharing.unheard(peer_id, effect.upto)
            case TakeAck():
                return await self._acks.take(peer_id, effect.ack)
            case Items():
                return await self._items(peer_id, effect.which)
            case Forget():
                return await self._intake.forget(peer_id, effect.copy_ids)
            case Requeue():
                async with self._core.store.write() as tx:
                    return await self._sharing.requeue(tx, peer_id, effect.copy_ids)
            case TakeMarks():
                return await self._intake.take_marks(peer_id, effect.swap)
            case MarksOf():
                return await self._marks_of(peer_id, effect.ids)
            case Outbox():
                return await self._outbox(peer_id, sent)
            case HandOut():
                return await self._hand_out(peer_id, effect.after)
            case Delivered():
                async with self._core.store.write() as tx:
                    await tx.delete(Outgoing, {"id": list(sent)})
                return None
            case _:
                raise TypeError(f"{type(effect).__name__} does not happen here")

    async def _reset(self, peer_id: int) -> Any:
        async with self._core.store.write() as tx:
            row = await tx.get(PeerRow, peer_id)
            assert row is not None
            await tx.put(replace(row, cursor=0))
        return await self._sharing.ready(peer_id)

    async def _items(self, peer_id: int, which: Which) -> list[Item]:
        if which is Which.GIVEN:
            return await self._intake.items(peer_id)
        if which is Which.TAKEN:
            return await self._sharing.items(peer_id)
        async with self._core.store.read() as tx:
            return [(MARK_KEY, mark_id(c.origin, c.rid)) for c in await _marked(tx, peer_id)]

    async def _marks_of(self, peer_id: int, ids: Sequence[bytes]) -> MarkSwap:
        wanted = set(ids[:MAX_MARKS])
        async with self._core.store.read() as tx:
            copies = [c for c in await _marked(tx, peer_id) if mark_id(c.origin, c.rid) in wanted]
            histories = await known_origins(tx, {c.origin for c in copies})
        return MarkSwap(
            tuple(c.withdrawal for c in copies if c.withdrawal),
            tuple(tuple(e.decode("ascii") for e in h.entries) for h in histories.values()),
        )

    async def _hand_out(self, peer_id: int, after: int) -> Mail:
        async with self._core.store.write() as tx:
            waiting = await tx.find(Outgoing, {"peer": peer_id, "what": list(MAILED)}, order="id", limit=OUTBOX)
            await tx.delete(Outgoing, {"id": [w.id for w in waiting if w.id <= after]})
        sent: list[int] = []
        ack = await self._outbox(peer_id, sent)
        return Mail(sent[-1] if sent else after, ack)

    async def _outbox(self, peer_id: int, sent: list[int]) -> Ack:
        async with self._core.store.read() as tx:
            waiting = await tx.find(Outgoing, {"peer": peer_id, "what": list(MAILED)}, order="id", limit=OUTBOX)
            row = await tx.get(PeerRow, peer_id)
            assert row is not None
            receipts = tuple(w.body for w in waiting if w.what == "receipt")
            letters = tuple(w.body for w in waiting if w.what == "letter")
            issuers = {i for r in (*receipts, *letters) if (i := issuer(r)) != self._core.node_id}
            histories = await known_origins(tx, issuers)
        sent[:] = [w.id for w in waiting]
        return Ack(
            None,
            row.offer_count,
            row.offer_sum,
            receipts,
            tuple(tuple(e.decode("ascii") for e in h.entries) for h in histories.values()),
            reports=tuple(w.body for w in waiting if w.what == "report"),
            letters=letters,
        )


async def _marked(tx: Reader, peer_id: int) -> list[Copy]:
    """Withdrawn records that the peer should know of."""
    lines = await tx.find(Custody, {"peer": peer_id, "entry": Entry.WITHDRAW})
    return await tx.get_many(Copy, [(line.copy,) for line in lines])
