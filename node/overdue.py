"""What follows by itself where a withdrawal is not confirmed in time (DESIGN 1, 7).

An agreement may say that being late suspends: then the origin does so once for what is late, with a signed notice, and
only a resumption lifts it. Withdrawals and receipts travel all the while.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from governance.agreement import Phase
from node.core import Core
from node.lateness import Late, Withdrawn, owed_to_us, withdrawals
from node.peerbook import KnownPeer
from node.peers import Peers
from node.stewards import By
from node.store.port import Reader
from node.store.rows import Meta

LOOK_EVERY_S: Final = 60  # hours are promised, so a minute is soon enough
BY_ITSELF: Final = "the agreement itself"
_ACTED_ON: Final = "overdue."


class Overdue:
    """What follows by itself from being late."""

    def __init__(self, core: Core, peers: Peers) -> None:
        self._core = core
        self._peers = peers
        self._next_look = 0

    async def settle(self) -> None:
        """Suspend where an agreement says so, once for each withdrawal that has become late."""
        now = self._core.now()
        # A clock that was set back must not keep us from looking for as long as it was ahead.
        if now < self._next_look <= now + LOOK_EVERY_S:
            return
        self._next_look = now + LOOK_EVERY_S
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            known = await self._core.peers(tx, situation)
            bound = [p for p in known.values() if p.clauses is not None and p.clauses.suspend_overdue]
            withdrawn = await withdrawals(tx, self._core.node_id) if bound else ()
            late = [p.row.id for p in bound if (await self._new(tx, p, withdrawn, now)).count]
        for peer_id in late:
            await self._suspend(peer_id)

    async def _new(self, reader: Reader, peer: KnownPeer, withdrawn: Sequence[Withdrawn], now: int) -> Late:
        """What is late and has not led to a suspension yet; nothing where there is nothing to suspend."""
        if peer.phase(now) is not Phase.ACTIVE and not peer.row.we_suspended:
            return Late()
        late = await owed_to_us(reader, self._core.node_id, peer, withdrawn, now)
        acted = await reader.get(Meta, f"{_ACTED_ON}{peer.row.id}")
        return late if late.count and late.newest > int(acted.value if acted else -1) else Late()

    async def _suspend(self, peer_id: int) -> None:
        now = self._core.now()
        async with self._core.store.write() as tx:
            situation = await self._core.situation(tx)
            peer = (await self._core.peers(tx, situation))[peer_id]
            late = await self._new(tx, peer, await withdrawals(tx, self._core.node_id), now)
            if not late.count:
                return
            # Noted also while we are suspended already: who resumes knows of everything that is late by then.
            await tx.put(Meta(f"{_ACTED_ON}{peer_id}", str(late.newest)))
            if peer.phase(now) is not Phase.ACTIVE:
                return
            why = f"{late.count} withdrawals not confirmed in time"
            await self._peers.step_in(tx, peer.node_id, "agreement.suspend", why, By(BY_ITSELF, why))
        self._core.bell.ring()  # the peer is due now: the session begins with the notice
