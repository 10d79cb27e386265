"""Looks at every commit of every node: no field where it was never allowed, no withdrawn record that comes back.

What a node may have is what the gate of somebody who holds it said at some moment; that is computed here from rows
alone, at every change on which it depends, so that no ledger, cursor or session is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, cast

from governance.agreement import Phase, keeps_copies
from governance.gate import Outcome, decide
from node.copies import Held
from node.peerbook import passing_peers
from node.store.memory import Before
from node.store.rows import CircleRow, Copy, Custody, Offer, PeerRow, State
from node.support import onward
from tests.simulator.laws import Key
from tests.simulator.loop import VirtualLoop, at_once
from tests.simulator.nodes import SimNode

MOVING: Final = (Copy, Offer, Custody, CircleRow)  # held, from whom, told to whom: when it stays, a world is at rest


class Watch:
    """The laws that hold at every step. `broken` is told in words and ends the schedule."""

    def __init__(self, nodes: Iterable[SimNode]) -> None:
        self.nodes = {n.id: n for n in nodes}
        self.ever: dict[tuple[str, Key, bytes], set[str]] = {}
        self.broken: list[str] = []
        self._awaited: set[tuple[str, int]] = set()
        self.moves = dict.fromkeys([n.name for n in self.nodes.values()], 0)
        for node in self.nodes.values():
            node.sim_store.committed = lambda changed, node=node: self._committed(node, changed)

    def _committed(self, node: SimNode, changed: Before) -> None:
        touched: set[int] = set()
        whole = False
        for (kind, key), old in changed.items():
            new: Any = node.sim_store.tables[kind].rows.get(key)
            self.moves[node.name] += kind in MOVING and new != old
            if kind is Copy:
                self._changed_copy(node, old, new)
                touched.add(key[0])
            elif kind is Offer:
                touched.add((new or cast(Offer, old)).copy)
            elif kind is PeerRow:
                whole = whole or old is None or (old.phase, old.agreement) != (new.phase, new.agreement)  # type: ignore[attr-defined]
            elif kind is CircleRow:
                whole = True
        if whole or touched:
            self.permit(node, None if whole else touched)

    def _changed_copy(self, node: SimNode, old: Any, new: Any) -> None:
        if old is not None and old.state == State.WITHDRAWN and (new is None or new.state != State.WITHDRAWN):
            self.broken.append(f"{node.name} revived the withdrawn {old.rid}")
        if new is None or new.own or new.state != State.LIVE or (old is not None and old.disclosed == new.disclosed):
            return
        ever = self.ever.get((node.id, (new.origin, new.rid), new.vid), set())
        extra = Held.read(new).texts.keys() - ever
        if extra:
            giver = next((n.name for n in self.nodes.values() if n.id == new.origin), "?")
            self.broken.append(
                f"{node.name} has {sorted(extra)} of {new.rid}, version {new.ver} of {giver}: it was never allowed that"
            )

    def permit(self, node: SimNode, copies: set[int] | None = None) -> None:
        """Note what the gate lets this node hand to its peers now: of these copies, or of all."""
        at_once(self._permit(node, copies))

    async def _permit(self, node: SimNode, only: set[int] | None) -> None:
        async with node.sim_store.look() as tx:
            where: dict[str, Any] = {"state": State.LIVE} | ({} if only is None else {"id": sorted(only)})
            copies = await tx.find(Copy, where)
            if not copies:
                return
            situation = await node.core.situation(tx)
            peers = await node.core.peers(tx, situation)
            offers: dict[int, list[Offer]] = {}
            for offer in await tx.find(Offer, {"copy": [c.id for c in copies]}):
                offers.setdefault(offer.copy, []).append(offer)
        for peer in peers.values():
            if peer.clauses is not None and peer.clauses.starts > situation.now:
                self._again(node, peer.clauses.starts - situation.now)
        passing = passing_peers(peers)
        for copy in copies:
            held = Held.read(copy)
            given = offers.get(copy.id, ())
            view = held.view(situation.circles, any(o.peer in passing for o in given))
            for peer in peers.values():
                if peer.node_id == copy.origin:
                    continue
                may = frozenset(held.texts) if copy.own else onward(given, peer.row.id, passing).keys()
                to = peer.recipient
                if keeps_copies(peer.phase(situation.now), peer.clauses):
                    assert peer.clauses is not None
                    to = replace(to, phase=Phase.ACTIVE, clauses=replace(peer.clauses, until=None))
                decision = decide(view, to, situation.policy, situation.now)
                if decision.outcome is Outcome.SHARE and decision.fields:
                    place = peer.node_id, (copy.origin, copy.rid), copy.vid or b""
                    self.ever.setdefault(place, set()).update(decision.fields & may)

    def _again(self, node: SimNode, wait_s: int) -> None:
        """An agreement begins later: then more is permitted without any change."""
        loop = asyncio.get_running_loop()
        begins = int(loop.time()) + wait_s
        if (node.name, begins) not in self._awaited:
            self._awaited.add((node.name, begins))
            loop.call_at(begins, self._begins, node, begins)

    def _begins(self, node: SimNode, begins: int) -> None:
        self._awaited.discard((node.name, begins))
        self.permit(node)

    def check(self) -> None:
        """Raise what was found."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if loop.faults:
            raise loop.faults[0]
        assert not self.broken, "\n".join(self.broken)
