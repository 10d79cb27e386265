"""Erasing for good: what must leave the disk, in which order, and the receipt that may be signed only afterwards.

A change that takes content away writes an `Erasure` row in its own transaction; the worker walks every derived surface
(invariant 7), lets the database clear its pages, and signs (invariant 10).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from federation.documents import ItemState, Receipt, ReceiptItem
from node.core import Core
from node.store.port import Reader, Writer
from node.store.rows import AttachmentRef, AttachmentRow, Copy, Erasure, LinkRow, Outgoing, PeerRow

BATCH: Final = 500  # erasures whose pages and segments are cleared together
RECEIPT_ITEMS: Final = 500
NO_COPY: Final = "0" * 64


def index_key(copy: Copy) -> str:
    """A copy's key in the search index."""
    return f"{copy.origin}/{copy.rid}"


async def schedule_erasure(
    core: Core, tx: Writer, copy: Copy, *, receipt: bool, fields: Collection[str] | None = None
) -> None:
    """Have a copy, or some fields of it, cleared from disk; files that nothing else refers to go with it."""
    refs = await tx.find(AttachmentRef, {"copy": copy.id})
    dropped = [r for r in refs if fields is None or r.field in fields]
    for ref in dropped:
        await tx.delete(AttachmentRef, {"sha256": ref.sha256, "copy": ref.copy, "field": ref.field})
    orphans = [r.sha256 for r in dropped if not await tx.count(AttachmentRef, {"sha256": r.sha256})]
    await tx.delete(AttachmentRow, {"sha256": orphans})
    if fields is None or "links" in fields:
        await tx.delete(LinkRow, {"copy": copy.id})
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
        )
    )


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
                batch = await tx.find(Erasure, order="id", limit=BATCH)
            if not batch:
                return total
            for surface in self._surfaces:
                await surface([e.index_key for e in batch])
            for erasure in batch:
                self._unlink(json.loads(erasure.files))
            await self._core.store.scrub()
            await self._confirm(batch)
            total += len(batch)

    def _unlink(self, hashes: Sequence[str]) -> None:
        for sha256 in hashes:
            for path in (self._files / sha256[:2] / sha256, self._files / sha256[:2] / f"{sha256}.part"):
                path.unlink(missing_ok=True)

    async def _confirm(self, batch: Sequence[Erasure]) -> None:
        async with self._core.store.write() as tx:
            owed = [e for e in batch if e.receipt]
            copies = {c.id: c for c in await tx.get_many(Copy, [(e.copy,) for e in owed])}
            by_origin: dict[str, list[tuple[Copy, Erasure]]] = {}
            for erasure in owed:
                copy = copies[erasure.copy]
                by_origin.setdefault(copy.origin, []).append((copy, erasure))
            for origin, pairs in by_origin.items():
                await self._receipts(tx, origin, pairs)
            await tx.delete(Erasure, {"id": [e.id for e in batch]})
        if owed:
            self._core.bell.ring()

    async def _receipts(self, tx: Writer, origin: str, pairs: Sequence[tuple[Copy, Erasure]]) -> None:
        for at in range(0, len(pairs), RECEIPT_ITEMS):
            part = pairs[at : at + RECEIPT_ITEMS]
            items = tuple(
                ReceiptItem(
                    rid=c.rid,
                    ver=max(e.ver, 1),
                    copy_id=e.copy_id.hex() if e.copy_id else NO_COPY,
                    state=ItemState.ERASED,
                )
                for c, e in part
            )
            token = self._core.sign(Receipt(iss=self._core.node_id, iat=self._core.now(), aud=origin, items=items))
            await send_towards(tx, origin, {c.via for c, _ in part if c.via is not None}, "receipt", token)


async def send_towards(tx: Writer, node_id: str, via: Collection[int], what: str, body: str) -> None:
    """Queue a signed document for a node: to itself if it is a peer, else to the peers its records came through."""
    direct = await tx.get_many(PeerRow, [(node_id,)], by=("node_id",))
    peers = [direct[0].id] if direct else sorted(via)
    first = await tx.next_seq(max(len(peers), 1))
    await tx.put(*[Outgoing(first + n, peer, what, body, 0) for n, peer in enumerate(peers)])


async def pending(reader: Reader) -> int:
    """How many erasures wait."""
    return await reader.count(Erasure)
