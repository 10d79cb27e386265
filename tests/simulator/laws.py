"""What must hold of every world: the laws of DESIGN 3, computed again from the gate alone, without the ledgers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from federation.documents import Withdrawal
from governance.admission import right_to_pass
from governance.agreement import Phase, keeps_copies
from governance.gate import Outcome, decide
from governance.holds import NO_STOPS, Stop
from node.circles import circle_owner
from node.copies import Held
from node.erasure import index_key
from node.fingerprint import Fingerprint, mark_id
from node.indexing import VIEWERS
from node.peerbook import KnownPeer, Situation
from node.store.rows import CircleRow, Copy, Custody, Entry, Erasure, Offer, PeerRow, State
from node.support import MAX_HOPS
from search.query import MAX_LIMIT, make_query
from tests.world import WorldNode

Key = tuple[str, str]
Allowed = dict[tuple[str, Key], frozenset[str]]  # node name and record, to fields


@dataclass
class View:
    """A node's side of the world at one moment."""

    node: WorldNode
    situation: Situation
    peers: dict[str, KnownPeer]
    live: dict[Key, Held]


async def look(node: WorldNode) -> View:
    async with node.core.store.read() as tx:
        situation = await node.core.situation(tx)
        peers = await node.core.peers(tx, situation)
        copies = await tx.find(Copy, {"state": State.LIVE})
    live = {(c.origin, c.rid): Held.read(c) for c in copies}
    return View(node, situation, {p.node_id: p for p in peers.values()}, live)


def allowed(views: Mapping[str, View], *, generous: bool = False) -> Allowed:
    """The least set of copies that follows from the origins by the gate; `generous`: as if ends kept everything."""
    out: Allowed = {}
    for view in views.values():
        for (origin, rid), held in view.live.items():
            if held.row.own:
                out.update(_spread(views, (origin, rid), held, generous=generous))
    return out


def _spread(views: Mapping[str, View], key: Key, own: Held, *, generous: bool) -> Allowed:
    """Follow one record from its origin until nothing is added: over at most `MAX_HOPS` lines.

    `crossed` are the fewest lines to a node over agreements that let it pass the field on.
    """
    origin = key[0]
    line = 0 if generous else 1  # what may be kept came over lines that need not be there any more
    has: dict[str, frozenset[str]] = {origin: frozenset(own.texts)}
    crossed: dict[str, dict[str, int]] = {origin: dict.fromkeys(own.texts, 0)}
    moved = True
    while moved:
        moved = False
        for giver, fields in list(has.items()):
            for taker in views[giver].peers:
                if taker == origin or taker not in views:
                    continue
                lines = crossed.get(giver, {})
                from_giver = frozenset(n for n, number in lines.items() if number < MAX_HOPS)
                given = _given(views[giver], views[taker], own, fields, from_giver, generous=generous)
                if not given:
                    continue
                clauses = views[taker].peers[giver].clauses
                nearer = {}
                if clauses is not None and clauses.passing_on:
                    known = crossed.setdefault(taker, {})
                    nearer = {n: lines[n] + line for n in given if lines[n] + line < known.get(n, MAX_HOPS + 1)}
                    known.update(nearer)
                if nearer or not given <= has.get(taker, frozenset()):
                    has[taker] = has.get(taker, frozenset()) | given
                    moved = True
    return {(views[node].node.name, key): fields for node, fields in has.items()}


def _given(
    giver: View, taker: View, own: Held, fields: frozenset[str], passable: frozenset[str], *, generous: bool
) -> frozenset[str]:
    """What `giver`, having `fields`, hands to `taker`, and the taker takes."""
    origin, now = own.row.origin, giver.situation.now
    is_origin = giver.node.id == origin
    row = own.row if is_origin else replace(own.row, own=False, direct="", editor="")
    held = Held(row, own.terms, own.digests, {n: t for n, t in own.texts.items() if n in fields})
    peer, back = giver.peers[taker.node.id], taker.peers.get(giver.node.id)
    if back is None:
        return frozenset()
    to = replace(peer.recipient, held=False)
    kept = generous and peer.clauses is not None and keeps_copies(peer.phase(now), peer.clauses)
    if kept:
        assert peer.clauses is not None
        to = replace(to, phase=Phase.ACTIVE, clauses=replace(peer.clauses, until=None))
    view = held.view(
        giver.situation.circles,
        bool(passable) and not is_origin,
        stops=NO_STOPS,
        released=giver.situation.released(row),
    )
    decision = decide(view, to, giver.situation.policy, now)
    given = decision.fields & passable
    if decision.outcome is not Outcome.SHARE or "title" not in given:
        return frozenset()
    # Only the taker may know of the end: the giver was put back to a backup of before, and shows an active agreement.
    kept = kept or (generous and keeps_copies(back.phase(taker.situation.now), back.clauses))
    if back.phase(taker.situation.now) is not Phase.ACTIVE and not kept:
        return frozenset()
    given = frozenset(n for n in given if not own.terms[n].ended(taker.situation.now))  # by its own clock
    if "title" not in given:
        return frozenset()
    for name in given:
        barred = right_to_pass(
            own.terms[name],
            origin=origin,
            sender=giver.node.id,
            receiver=taker.node.id,
            rosters=taker.situation.rosters,
        )
        if barred is not None:
            return frozenset()
    return given


async def views_of(nodes: Sequence[WorldNode]) -> dict[str, View]:
    return {node.id: await look(node) for node in nodes}


def is_disturbed(views: Mapping[str, View], key: Key) -> bool:
    """True if a hold somewhere stands in the way of a record."""
    for view in views.values():
        held, stops = view.live.get(key), view.situation.stops
        if held is not None and (held.stop(stops) is not None or stops.peers):
            return True
    return False


def _hold_problems(views: Mapping[str, View], here: View) -> list[str]:
    """At rest, copies are hidden by the word of their origin exactly while it has them on hold."""
    out = []
    for (origin, rid), held in here.live.items():
        theirs = views[origin].situation.stops
        if held.row.own:
            continue
        wanted = here.node.id in theirs.peers or held.stop(theirs) is Stop.HERE
        asked = replace(here.situation.stops, everything=False, records=frozenset(), circles=frozenset())
        if (held.stop(asked) is not None) != wanted:
            state = "is on hold at its origin and not hidden" if wanted else "is hidden, but not on hold at its origin"
            out.append(f"{rid} at {here.node.name} {state}")
    return out


@dataclass
class Watcher:
    """Looks at nodes that are at rest, and remembers what has to be gone by then."""

    nodes: Sequence[WorldNode]
    withdrawn: set[Key] = field(default_factory=set)

    async def remember_withdrawn(self) -> None:
        """What some node knows to be withdrawn has to be gone everywhere once all have talked."""
        for node in self.nodes:
            self.withdrawn |= {k for k, c in (await node.copies()).items() if c.state == State.WITHDRAWN}

    async def check_rest(self) -> None:
        """After quiet: what is held is what is allowed, everywhere; nothing that was withdrawn is anywhere."""
        views = await views_of(self.nodes)
        wanted, most = allowed(views), allowed(views, generous=True)
        problems = []
        for view in views.values():
            name = view.node.name
            keys = {k for n, k in wanted if n == name} | view.live.keys()
            for key in sorted(keys):
                has = frozenset(view.live[key].texts) if key in view.live else frozenset()
                least, limit = wanted.get((name, key), frozenset()), most.get((name, key), frozenset())
                if is_disturbed(views, key):  # nothing new comes during a hold, and what is there may be of before
                    least = frozenset()
                if not least <= has <= limit:
                    problems.append(f"{name} holds {sorted(has)} of {key}; allowed are {sorted(least)}")
                origin = views.get(key[0])
                # What an ended agreement lets a holder keep is not brought up to date any more.
                current = bool(least) and origin is not None and key in origin.live
                if has and current and view.live[key].row.vid != views[key[0]].live[key].row.vid:
                    problems.append(f"{name} holds version {view.live[key].row.ver} of {key}, not the latest")
            problems += [f"{name} holds the withdrawn {k}" for k in view.live if k in self.withdrawn]
            problems += _hold_problems(views, view)
        problems += await self._circle_problems()
        assert not problems, "\n".join(problems)

    async def _circle_problems(self) -> list[str]:
        """Whoever is or was in a circle and knows its owner has the owner's latest roster."""
        out = []
        for owner in self.nodes:
            for row in await circles_of(owner):
                if circle_owner(row.cid) != owner.id:
                    continue
                for node in self.nodes:
                    if node is owner or not await owner.knows(node):
                        continue
                    theirs = {r.cid: r for r in await circles_of(node)}.get(row.cid)
                    if theirs is None and node.id not in json.loads(row.members):
                        continue
                    if theirs is None or theirs.roster != row.roster:
                        out.append(f"{node.name} does not have the latest roster of {owner.name}")
        return out


async def circles_of(node: WorldNode) -> list[CircleRow]:
    async with node.core.store.read() as tx:
        return await tx.find(CircleRow)


async def check_index(node: WorldNode) -> None:
    """Each class of viewer finds what the gate shows it now, and nothing else."""
    async with node.core.store.read() as tx:
        situation = await node.core.situation(tx)
        rows = await tx.find(Copy, {"state": State.LIVE})
        passing = await node.core.passing(tx, situation, rows)
    for viewer, recipient in VIEWERS:
        shown = {
            index_key(row)
            for row in rows
            if node.readings.decide(Held.read(row), recipient, situation, passing).outcome is Outcome.SHARE
        }
        found = node.engine.search(make_query("", limit=MAX_LIMIT), viewer, situation.now)
        assert len(rows) <= MAX_LIMIT, "a page of results has to hold them all"
        assert set(found.keys) == shown, f"{node.name} finds {set(found.keys) ^ shown} otherwise than {viewer} sees"


async def check_sums(node: WorldNode) -> None:
    """Every running fingerprint equals the sum of the rows it stands for."""
    async with node.core.store.read() as tx:
        for row in await tx.find(PeerRow):
            puts, marks, offers = Fingerprint(0, 0), Fingerprint(0, 0), Fingerprint(0, 0)
            for line in await tx.find(Custody, {"peer": row.id}):
                if line.entry == Entry.PUT and line.refused is None:
                    assert line.copy_id is not None
                    puts.add(line.copy_id)
                elif line.entry == Entry.WITHDRAW:
                    copy = await tx.get(Copy, line.copy)
                    assert copy is not None
                    marks.add(mark_id(copy.origin, copy.rid))
            found = await tx.find(Offer, {"peer": row.id})
            offers.add(*[o.copy_id for o in found])
            who = f"{node.name} for {row.name}"
            assert (row.put_count, row.put_sum) == (puts.count, puts.bytes), f"puts of {who} do not add up"
            assert (row.mark_count, row.mark_sum) == (marks.count, marks.bytes), f"marks of {who} do not add up"
            assert (row.offer_count, row.offer_sum) == (offers.count, offers.bytes), f"offers of {who} do not add up"
            assert row.offer_bytes == sum(o.size for o in found), f"bytes of {who} do not add up"
        assert not await tx.count(Erasure, {"index_key": ""}), "an erasure names no record"
        for copy in await tx.find(Copy, {"state": State.LIVE, "own": False}):
            assert await tx.count(Offer, {"copy": copy.id}), f"{node.name} holds {copy.rid} that nobody offers"


__all__ = ["Watcher", "Withdrawal", "allowed", "check_sums", "look", "views_of"]
