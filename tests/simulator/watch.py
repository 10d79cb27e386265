"""Looks at every commit of every node: no field where it was never allowed, no withdrawn record that comes back.

What a node may have is what the gate of somebody who holds it said at some moment; that is computed here from rows
alone, at every change on which it depends, so that no ledger, cursor or session is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from federation.messages import Page, Put, Retract
from governance.agreement import Phase, keeps_copies
from governance.gate import Outcome, decide
from governance.holds import NO_STOPS
from governance.terms import circle_id
from node.copies import Held
from node.inforce import POLICY_VERSION
from node.peerbook import passing_peers
from node.store.governing import HideRow, HoldRow
from node.store.memory import Before
from node.store.rows import CircleRow, Copy, Custody, Meta, Offer, PeerRow, State
from node.support import onward
from tests.simulator.laws import Key
from tests.simulator.loop import VirtualLoop, at_once
from tests.simulator.nodes import SimNode

MOVING: Final = (
    Copy,
    Offer,
    Custody,
    CircleRow,
    HideRow,
)  # held, from whom, told to whom: when it stays, a world is at rest


def stopped(node: SimNode, held: Held, to: str) -> bool:
    """True if a hold of the node, or the word of the record's origin, forbids to hand it over; from rows alone."""
    circles = {c for t in held.terms.values() for a in t.audiences if (c := circle_id(a))}
    row, tables = held.row, node.sim_store.tables
    holds = [cast(HoldRow, h) for h in tables[HoldRow].rows.values()]
    hides = [cast(HideRow, h) for h in tables[HideRow].rows.values()]
    covered = {
        ("all", "", ""),
        ("peer", "", to),
        ("record", row.origin, row.rid),
        *(("circle", "", c) for c in circles),
    }
    asked = {("all", ""), ("peer", node.id), ("record", row.rid), *(("circle", c) for c in circles)}
    return any(h.lifted_at is None and (h.scope, h.origin, h.target) in covered for h in holds) or any(
        h.on and h.origin == row.origin != node.id and (h.scope, h.target) in asked for h in hides
    )


class Watch:
    """The laws that hold at every step. `broken` is told in words and ends the schedule."""

    def __init__(self, nodes: Iterable[SimNode]) -> None:
        self.nodes = {n.id: n for n in nodes}
        self.ever: dict[tuple[str, Key, bytes], set[str]] = {}
        self.broken: list[str] = []
        self.has: dict[tuple[str, int, Key], Mapping[str, Any]] = {}  # what each peer was last handed, by the words
        self._awaited: set[tuple[str, int]] = set()
        self.moves = dict.fromkeys([n.name for n in self.nodes.values()], 0)
        for node in self.nodes.values():
            node.sim_store.committed = lambda changed, node=node: self._committed(node, changed)
            node.handed = partial(self._handed, node)

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
            elif kind is CircleRow or (kind is Meta and key == (POLICY_VERSION,)):
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

    def _handed(self, node: SimNode, peer_id: int, page: Page) -> None:
        """Nobody is handed what is on hold, but for less of what they were handed before."""
        tables = node.sim_store.tables
        by_jws = {cast(Copy, c).jws: cast(Copy, c) for c in tables[Copy].rows.values()}
        for entry in page.entries:
            if isinstance(entry, Retract):
                self.has.pop((node.id, peer_id, (entry.origin, entry.rid)), None)
            if not isinstance(entry, Put):
                continue
            held = Held.read(by_jws[entry.jws])
            place = node.id, peer_id, (held.row.origin, held.row.rid)
            fields = {n: held.value(n) for n, text in held.texts.items() if text in entry.texts}
            before = self.has.get(place)
            less = before is not None and all(before.get(n) == value for n, value in fields.items())
            peer = cast(PeerRow, tables[PeerRow].rows[(peer_id,)])
            if not less and not node.restored and stopped(node, held, peer.node_id):
                self.broken.append(
                    f"{node.name} handed {sorted(fields)} of {held.row.rid} to {peer.name} during a hold"
                )
            self.has[place] = fields

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
            got = any(o.peer in passing for o in given)
            view = held.view(situation.circles, got, stops=NO_STOPS, released=situation.released(copy))
            for peer in peers.values():
                if peer.node_id == copy.origin:
                    continue
                may = frozenset(held.texts) if copy.own else onward(given, peer.row.id, passing).keys()
                to = replace(peer.recipient, held=False)
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
