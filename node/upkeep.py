"""The work that follows every change and every second: ends, erasures, the index, the policy file, due peers.

Each worker does everything there is to do, then waits for the bell or its time. An error is logged and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from governance.agreement import Phase, keeps_copies
from node.audit.log import Log
from node.circles import drop_unheld
from node.copies import Held, next_end
from node.core import Core
from node.erasure import Eraser
from node.index_ground import index_as_decided
from node.indexing import Indexing
from node.peerbook import KnownPeer
from node.policies import Policies
from node.shelf import Shelf
from node.store.port import Writer
from node.store.rows import Copy, Offer, PeerRow, State
from node.support import count_as_held
from node.syncing import Syncing

log = logging.getLogger("commonweave.upkeep")

TICK_S: Final = 1.0
RETRY_S: Final = 5.0
BATCH: Final = 500


class Upkeep:
    """Runs in the background of a node that serves; `catch_up` does it once, for commands on a stopped node."""

    def __init__(
        self,
        core: Core,
        policies: Policies,
        eraser: Eraser,
        indexing: Indexing,
        syncing: Syncing,
        open_shelf: Shelves,
        also: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        self._core = core
        self._policies = policies
        self._eraser = eraser
        self._indexing = indexing
        self._syncing = syncing
        self._open_shelf = open_shelf
        self._also = also
        self.audit_log = Log(core)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow."""
        for name, work in (("ends", self.settle), ("index", self.index), ("peers", self._syncing.visit_due)):
            self._tasks.append(asyncio.create_task(self._follow(name, work), name=f"commonweave-{name}"))
        # Not by the bell: an entry's place in the tree can wait a second, whoever writes the next one need not.
        log_work = self._follow("log", self.audit_log.follow, heard=False)
        self._tasks.append(asyncio.create_task(log_work, name="commonweave-log"))

    async def stop(self) -> None:
        """End the workers; what they were doing is whole or not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def catch_up(self) -> None:
        """Everything that can be done without peers."""
        await self.settle()
        await self.index()
        await self.audit_log.follow()

    async def _follow(self, name: str, work: Callable[[], Awaitable[object]], *, heard: bool = True) -> None:
        event = asyncio.Event()
        try:
            while True:
                try:
                    await work()
                    wait = TICK_S
                except Exception:
                    log.exception("the worker %s failed and tries again in %s seconds", name, RETRY_S)
                    wait = RETRY_S
                await (self._core.bell.wait(event, wait) if heard else asyncio.sleep(wait))
        finally:
            self._core.bell.leave(event)

    async def settle(self) -> None:
        """Apply what time and the policy file have changed, and clear from disk what has to go."""
        await self._policies.refresh()
        await self._end_phases()
        await self._begin_agreements()
        for work in self._also:
            await work()
        await self._end_terms()
        await count_as_held(self._core.store, self._core.now())
        await self._eraser.run()

    async def index(self) -> None:
        """Bring the index up to date; make anew what another policy, day, circle or agreement decides otherwise."""
        await index_as_decided(self._core, self._indexing)

    async def _end_terms(self) -> None:
        """Fields whose terms have ended: gone from received copies, decided anew for own ones."""
        while True:
            now = self._core.now()
            async with self._core.store.read() as tx:
                due = await tx.find(Copy, upto=("ends_at", now), order="ends_at", limit=BATCH)  # an end means live
            if not due:
                return
            async with self._core.store.write() as tx:
                for row in await tx.get_many(Copy, [(c.id,) for c in due]):
                    await self._end_one(tx, row, now)
            self._core.bell.ring()

    async def _end_one(self, tx: Writer, row: Copy, now: int) -> None:
        if row.state != State.LIVE or row.ends_at is None or row.ends_at > now:
            return
        held = Held.read(row)
        if row.own:
            end = next_end(held.held_terms.values(), now)
            await tx.put(replace(row, change_seq=await tx.next_seq(), ends_at=end))
        else:
            await drop_unheld(self._core, tx, held)

    async def _end_phases(self) -> None:
        """A peer whose agreement is not active any more: what it gave us goes, unless the agreement lets us keep it."""
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            peers = await self._core.peers(tx, situation)
            ended = [p for p in peers.values() if p.row.offer_count and not _may_keep(p, situation.now)]
        for peer in ended:
            await self._give_back(peer)

    async def _begin_agreements(self) -> None:
        """A peer whose agreement has just begun is due now; its ledger is decided anew by `Situation.under`."""
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            begun = [p for p in (await self._core.peers(tx, situation)).values() if _has_begun(p, situation.now)]
        if not begun:
            return
        async with self._core.store.write() as tx:
            for row in await tx.get_many(PeerRow, [(p.row.id,) for p in begun]):
                await tx.put(replace(row, next_sync_at=situation.now))
        self._core.bell.ring()

    async def _give_back(self, peer: KnownPeer) -> None:
        while True:
            async with self._core.store.write() as tx:
                offers = await tx.find(Offer, {"peer": peer.row.id}, limit=BATCH)
                if not offers:
                    return
                row = await tx.get(PeerRow, peer.row.id)
                assert row is not None
                situation = await self._core.situation(tx)
                known = situation.peer(row)
                if _may_keep(known, situation.now):
                    return
                shelf = await self._open_shelf(tx, known, situation)
                for offer in offers:
                    await shelf.drop(offer.copy_id)
                await tx.put(await shelf.close())
            self._core.bell.ring()


Shelves = Callable[..., Awaitable[Shelf]]


def _has_begun(peer: KnownPeer, now: int) -> bool:
    """True from the start until the first session after it; one that fails has its own next time."""
    if peer.clauses is None or peer.phase(now) is not Phase.ACTIVE or peer.row.failures:
        return False
    return (peer.row.last_sync_at or 0) < peer.clauses.starts <= now < peer.row.next_sync_at


def _may_keep(peer: KnownPeer, now: int) -> bool:
    phase = peer.phase(now)
    return phase is Phase.ACTIVE or keeps_copies(phase, peer.clauses)
