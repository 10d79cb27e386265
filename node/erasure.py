"""Erasing for good: what must leave the disk, in which order, and the receipt that may be signed only afterwards.

A change that takes content away writes an `Erasure` row in its own transaction; the worker walks every derived surface
(invariant 7), lets the database clear its pages, and signs (invariant 10).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from federation.documents import ItemState, Receipt, ReceiptItem
from node.core import Core
from node.store.governing import ReportRow
from node.store.port import Reader, Writer
from node.store.rows import AttachmentRef, AttachmentRow, Copy, Erasure, LinkRow, Outgoing, PeerRow, State

BATCH: Final = 500  # erasures whose pages and segments are cleared together
RECEIPT_ITEMS: Final = 500
REST_S: Final = 3600  # words that an edit replaced: each edit by itself would write a part of the index anew
NO_COPY: Final = "0" * 64


def index_key(copy: Copy) -> str:
    """A copy's key in the search index."""
    return f"{copy.origin}/{copy.rid}"


async def schedule_erasure(
    core: Core,
    tx: Writer,
    copy: Copy,
    *,
    receipt: bool,
    fields: Collection[str] | None = None,
    at_rest: bool = False,
) -> None:
    """Have a copy, or some fields of it, cleared from disk; files that nothing else refers to go with it.

    With `at_rest`, for what nobody asked to have erased, it may wait for company.
    """
    refs = await tx.find(AttachmentRef, {"copy": copy.id})
    dropped = [r for r in refs if fields is None or r.field in fields]
    for ref in dropped:
        await tx.delete(AttachmentRef, {"sha256": ref.sha256, "copy": ref.copy, "field": ref.field})
    orphans = [r.sha256 for r in dropped if not await tx.count(AttachmentRef, {"sha256": r.sha256})]
    await tx.delete(AttachmentRow, {"sha256": orphans})
    if fields is None or "links" in fields:
        await tx.delete(LinkRow, {"copy": copy.id})
    if fields is None:
        said = await tx.find(ReportRow, {"origin": copy.origin, "rid": copy.rid})
        await tx.put_many([replace(r, text="", answer="") for r in said])  # they may repeat what the record said
    await tx.put(
        Erasure(
            await tx.next_seq(),
            copy.id,
            index_key(copy),
            core.now(),
            copy.ver,
            receipt,
            copy.copy_id,
            json.dumps(orphans),
            core.now() + REST_S if at_rest else None,
        )
    )


async def confirmable(tx: Writer, taken: Mapping[str, Sequence[ReceiptItem]]) -> dict[str, list[ReceiptItem]]:
    """What of these copies, by origin, may be confirmed as held in this transaction.

    A copy that lost a field is confirmed by the eraser, once the field is gone from disk: the smaller `held` says that.
    """
    keys = {f"{origin}/{item.rid}" for origin, items in taken.items() for item in items}
    asked = {"index_key": sorted(keys), "not_before": None}
    waiting = await tx.find(Erasure, asked) if await tx.count(Erasure) else []
    await tx.put_many([replace(e, receipt=True) for e in waiting if not e.receipt])
    later = {e.index_key for e in waiting}
    now = {origin: [i for i in items if f"{origin}/{i.rid}" not in later] for origin, items in taken.items()}
    return {origin: items for origin, items in now.items() if items}


class Eraser:
    """Carries out what was scheduled. `surfaces` are called with the index keys; the last one may not fail."""

    def __init__(self, core: Core, files: Path, surfaces: Sequence[Callable[[Sequence[str]], Awaitable[None]]]) -> None:
        self._core = core
        self._files = files
        self._surfaces = surfaces

    async def run(self) -> int:
        """Clear everything that waits; how many records. Safe to repeat after a crash at any point."""
        total = 0
        while True:
            async with self._core.store.read() as tx:
                batch = await self._due(tx)
            if not batch:
                return total
            for surface in self._surfaces:
                await surface([e.index_key for e in batch])
            for erasure in batch:
                self._unlink(json.loads(erasure.files))
            await self._core.store.scrub()
            await self._confirm(batch)
            total += len(batch)

    async def _due(self, tx: Reader) -> list[Erasure]:
        """What to clear now, and whatever waits for company; after a clock was set back nothing waits longer."""
        now = self._core.now()
        asked = await tx.find(Erasure, {"not_before": None}, order="id", limit=BATCH)
        rested = asked or await tx.find(Erasure, upto=("not_before", now), limit=1)
        if not rested and not await tx.find(Erasure, above=("not_before", now + REST_S), limit=1):
            return []
        return asked + await tx.find(Erasure, above=("not_before", 0), order="id", limit=BATCH)

    def _unlink(self, hashes: Sequence[str]) -> None:
        for sha256 in hashes:
            for path in (self._files / sha256[:2] / sha256, self._files / sha256[:2] / f"{sha256}.part"):
                path.unlink(missing_ok=True)

    async def _confirm(self, batch: Sequence[Erasure]) -> None:
        async with self._core.store.write() as tx:
            await tx.delete(Erasure, {"id": [e.id for e in batch]})
            owed = {e.copy: e for e in await _owed(tx, batch)}  # once for each copy, however often some of it went
            by_origin: dict[str, list[tuple[Copy, Erasure]]] = {}
            for copy in await tx.get_many(Copy, [(number,) for number in owed]):
                by_origin.setdefault(copy.origin, []).append((copy, owed[copy.id]))
            for origin, pairs in by_origin.items():
                await self._receipts(tx, origin, pairs)
        if owed:
            self._core.bell.ring()

    async def _receipts(self, tx: Writer, origin: str, pairs: Sequence[tuple[Copy, Erasure]]) -> None:
        for at in range(0, len(pairs), RECEIPT_ITEMS):
            part = pairs[at : at + RECEIPT_ITEMS]
            items = tuple(_item(copy, erasure) for copy, erasure in part)
            token = self._core.sign(Receipt(iss=self._core.node_id, iat=self._core.now(), aud=origin, items=items))
            await send_towards(tx, origin, {c.via for c, _ in part if c.via is not None}, "receipt", token)


async def _owed(tx: Writer, batch: Sequence[Erasure]) -> list[Erasure]:
    """Erasures to confirm now. A copy of which more has to be cleared meanwhile is confirmed when that is done."""
    owed = [e for e in batch if e.receipt]
    later = await tx.find(Erasure, {"copy": sorted({e.copy for e in owed}), "not_before": None}) if owed else []
    await tx.put_many([replace(e, receipt=True) for e in later if not e.receipt])
    return [e for e in owed if e.copy not in {w.copy for w in later}]


def _item(copy: Copy, erasure: Erasure) -> ReceiptItem:
    """What may be said now: a smaller copy is held, or all of it is gone."""
    if copy.state == State.LIVE and copy.copy_id is not None:
        return ReceiptItem(rid=copy.rid, ver=copy.ver, copy_id=copy.copy_id.hex(), state=ItemState.HELD)
    copy_id = erasure.copy_id.hex() if erasure.copy_id else NO_COPY
    return ReceiptItem(rid=copy.rid, ver=max(erasure.ver, 1), copy_id=copy_id, state=ItemState.ERASED)


async def send_towards(tx: Writer, node_id: str, via: Collection[int], what: str, body: str) -> None:
    """Queue a signed document for a node: to itself if it is a peer, else to the peers its records came through."""
    direct = await tx.get_many(PeerRow, [(node_id,)], by=("node_id",))
    peers = [direct[0].id] if direct else sorted(via)
    first = await tx.next_seq(max(len(peers), 1))
    await tx.put(*[Outgoing(first + n, peer, what, body, 0) for n, peer in enumerate(peers)])


async def pending(reader: Reader) -> int:
    """How many erasures wait to be confirmed."""
    return await reader.count(Erasure, {"not_before": None})
