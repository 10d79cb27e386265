"""What a change would do before anybody votes on it: both sides put to the gate, over the real store.

It reads the outlines of copies and never their words, sorts them into classes and asks the gate once for each class
(`governance.classes`); memory grows with the classes and eight bytes a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from governance.agreement import Clauses, Phase, either
from governance.classes import Offered, Seen, Side
from governance.consent import Grant, terms_now
from governance.gate import TO_ALL, Peer
from governance.impact import Comparison, Impact, PeerImpact, compared
from governance.outline import Outline
from governance.policy import Policy
from governance.record import ContributorLink, Draft
from node.agreements import waits_for_peer
from node.copies import Held, outlined
from node.core import Core
from node.holds.stopping import stops_in_force
from node.ledger import Ledger
from node.peerbook import KnownPeer, Situation, clauses_of, passing_peers
from node.releasing import Releases, releases
from node.sealing import grants_for, records_of
from node.store.port import Reader
from node.store.rows import ContributorRow, Copy, DraftRow, Offer, State
from node.support import onward
from node.wanted import only_keeps

COLUMNS: Final = ("id", "origin", "rid", "own", "ver", "iat", "kind", "lang", "direct", "editor", "outline")
BATCH: Final = 2_000  # records between two pauses: some 20 ms
FILL_BATCH: Final = 500
LOOKED_UP: Final = 4_000  # keys in one question

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class WhatIf:
    """What would be different; what is not named stays.

    `peers` by node id, `rosters` all members by circle, `releases` version and peer (empty: all) by record, `lifted`
    ids of holds, `grants` permissions as if they stood.
    """

    policy: Policy | None = None
    peers: Mapping[str, tuple[Phase, Clauses | None]] = field(default_factory=dict)
    rosters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    releases: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    lifted: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True)
class _World:
    """A situation with its peers: one side of the comparison."""

    situation: Situation
    peers: Mapping[int, KnownPeer]
    strangers: Mapping[str, Peer] = field(default_factory=dict)  # nodes that are no peers yet

    def side(self, without: Iterable[str] = ()) -> Side:
        """For the gate, but for some peers."""
        recipients = {p.node_id: p.recipient for p in self.peers.values()} | dict(self.strangers)
        passing = frozenset(self.peers[n].node_id for n in passing_peers(self.peers))
        kept = {n: p for n, p in recipients.items() if n not in set(without)}
        s = self.situation
        return Side(s.policy, kept, s.circles, passing, s.releases, s.stops)


class Previews:
    """Impacts of what might be decided."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._ledger = Ledger(core)

    async def impact(self, what_if: WhatIf, *, tx: Reader | None = None, progress: Progress | None = None) -> Impact:
        """What would change for every peer; inside a transaction of the caller's, or over one snapshot."""
        async with AsyncExitStack() as stack:
            if tx is None:
                await self._fill()
                tx = await stack.enter_async_context(self._core.store.read())
            return await self._impact(tx, what_if, progress)

    async def _impact(self, tx: Reader, what_if: WhatIf, progress: Progress | None) -> Impact:
        now, then = await self._worlds(tx, what_if)
        keepers = [n for n in now.peers if _keeps(now, n) or _keeps(then, n)]
        apart = {now.peers[n].node_id for n in keepers}
        comparison = Comparison(now.side(apart), then.side(apart), now.situation.now)
        resealed = await self._resealed(tx, what_if.grants, now.situation.now)
        total = await tx.count(Copy, {"state": State.LIVE})
        kept: dict[int, list[tuple[Outline, frozenset[str], frozenset[str]]]] = {n: [] for n in keepers}
        async for batch in _seen(tx, now):
            for seen in batch:
                comparison.add(seen, _instead(seen, resealed))
            for number, records in kept.items():
                records.extend(await self._kept(tx, number, batch, (now, then), resealed))
            if progress is not None:
                progress(comparison.records, total)
            await asyncio.sleep(0)
        for _ in comparison.work():
            await asyncio.sleep(0)
        impact = comparison.impact()
        extra: Sequence[PeerImpact] = [compared(now.peers[n].node_id, found) for n, found in kept.items()]
        peers = sorted((*impact.peers, *extra), key=lambda p: p.node_id)
        impact = replace(impact, peers=tuple(peers))
        return replace(impact, contributors=await _contributors(tx, impact))

    async def _worlds(self, tx: Reader, what_if: WhatIf) -> tuple[_World, _World]:
        situation = await self._core.situation(tx)
        found = await self._core.peers(tx, situation)
        peers = {n: _by_its_own_word(p, situation, named=p.node_id in what_if.peers) for n, p in found.items()}
        would = replace(
            situation,
            policy=what_if.policy or situation.policy,
            rosters={**situation.rosters, **what_if.rosters},
            releases=await _released(tx, what_if),
            stops=await stops_in_force(tx, self._core.node_id, what_if.lifted) if what_if.lifted else situation.stops,
        )
        known = {p.node_id for p in peers.values()}
        strangers = {
            n: Peer(n, phase, clauses, circles=_circles(would, n))
            for n, (phase, clauses) in what_if.peers.items()
            if n not in known
        }
        others = {n: _as_if(p, would, what_if) for n, p in peers.items()}
        return _World(situation, peers), _World(would, others, strangers)

    async def _resealed(self, tx: Reader, grants: Sequence[Grant], now: int) -> dict[str, Outline]:
        """Own records that a change of consent would seal anew, as they would be."""
        rids: dict[str, None] = {}
        for grant in grants:
            rids.update(dict.fromkeys([grant.rid] if grant.rid else await records_of(tx, grant.subject)))
        out: dict[str, Outline] = {}
        wanted = list(rids)
        for at in range(0, len(wanted), FILL_BATCH):
            out.update(await self._reseal(tx, wanted[at : at + FILL_BATCH], grants, now))
            await asyncio.sleep(0)
        return out

    async def _reseal(self, tx: Reader, rids: Sequence[str], grants: Sequence[Grant], now: int) -> dict[str, Outline]:
        rows = [r for r in await tx.get_many(DraftRow, [(r,) for r in rids]) if r.body and r.published]
        drafts = {r.rid: _linked(r.rid, Draft.model_validate_json(r.body), grants) for r in rows}
        standing = await grants_for(tx, (c.subject for d in drafts.values() for c in d.contributors))
        replaced = {g.gid for g in grants}
        out: dict[str, Outline] = {}
        for copy in await tx.get_many(Copy, [(self._core.node_id, r) for r in drafts], by=("origin", "rid")):
            if copy.state != State.LIVE:
                continue
            draft = drafts[copy.rid]
            subjects = {c.subject for c in draft.contributors}
            mine = [g for s in subjects for g in standing.get(s, ()) if g.gid not in replaced]
            terms = terms_now(draft, copy.rid, [*mine, *(g for g in grants if g.subject in subjects)], now)
            held = Held.read(copy)
            if held.terms != terms:
                # The version would be another, but its words the same: a release stays with them.
                row = outlined(replace(held, row=replace(copy, iat=now, outline=None), terms=terms))
                out[copy.rid] = Outline(*(getattr(row, name) for name in COLUMNS))
        return out

    async def _kept(
        self,
        tx: Reader,
        number: int,
        batch: Sequence[Seen],
        worlds: tuple[_World, _World],
        resealed: Mapping[str, Outline],
    ) -> list[tuple[Outline, frozenset[str], frozenset[str]]]:
        """A peer that may only keep what it has: record by record, by the ledger itself."""
        found = {s.outline.number: s.outline for s in batch}
        anew = {n: resealed[o.rid].sealed() for n, o in found.items() if o.own and o.rid in resealed}
        nothing: frozenset[str] = frozenset()
        now, then = worlds
        had = await self._ledger.would_have(tx, number, list(found), now.situation, now.peers, {})
        has = await self._ledger.would_have(tx, number, list(found), then.situation, then.peers, anew)
        return [(found[n], had.get(n, nothing), has.get(n, nothing)) for n in sorted(had.keys() | has.keys())]

    async def _fill(self) -> None:
        """Outlines for copies that came before there were any."""
        above = 0
        while True:
            async with self._core.store.read() as tx:
                where = {"state": State.LIVE, "outline": None}
                found = await tx.pick(Copy, ("id",), where, above=("id", above), order="id", limit=FILL_BATCH)
            if not found:
                return
            async with self._core.store.write() as writer:
                rows = await writer.get_many(Copy, found)
                missing = [r for r in rows if r.state == State.LIVE and r.outline is None]
                await writer.put_many([outlined(Held.read(r)) for r in missing])
            above = found[-1][0]


def _keeps(world: _World, number: int) -> bool:
    return only_keeps(world.peers[number], world.situation.now)


def _circles(situation: Situation, node_id: str) -> frozenset[str]:
    return frozenset(cid for cid, members in situation.rosters.items() if node_id in members)


def _by_its_own_word(peer: KnownPeer, situation: Situation, *, named: bool) -> KnownPeer:
    """A peer with all that it can bring about alone, as if it had: no steward here would be asked again then.

    `named`: what is thought of is about this peer's own clauses, and is compared with those in force.
    """
    row, offered = peer.row, waits_for_peer(peer.row.proposal, situation.node_id)
    phase = peer.phase(situation.now)
    active = replace(row, phase=Phase.ACTIVE)
    if row.phase == Phase.SUSPENDED and row.they_suspended and not row.we_suspended:
        return replace(peer, row=active)
    if offered is None:
        return peer
    if phase in (Phase.PROPOSED, Phase.EXPIRED):
        return replace(peer, row=active, clauses=replace(clauses_of(offered), starts=0))
    if phase is Phase.ACTIVE and peer.clauses is not None and not named:
        return replace(peer, clauses=either(peer.clauses, clauses_of(offered)))
    return peer


def _as_if(peer: KnownPeer, would: Situation, what_if: WhatIf) -> KnownPeer:
    phase, clauses = what_if.peers.get(peer.node_id, (Phase(peer.row.phase), peer.clauses))
    circles, held = _circles(would, peer.node_id), peer.node_id in would.stops.peers
    return KnownPeer(replace(peer.row, phase=phase), peer.history, clauses, circles, held)


async def _released(tx: Reader, what_if: WhatIf) -> Releases:
    """The releases there are and those there would be."""
    out = dict(await releases(tx))
    for copy in await tx.pick(Copy, ("origin", "rid"), {"rid": list(what_if.releases)}) if what_if.releases else ():
        ver, to = what_if.releases[copy[1]]
        key = (copy[0], copy[1], ver)
        out[key] = out.get(key, frozenset()) | {to or TO_ALL}
    return out


def _linked(rid: str, draft: Draft, grants: Sequence[Grant]) -> Draft:
    """As `Consents.grant` does it: a permission for one record makes who gave it a contributor of that record."""
    known = {c.subject for c in draft.contributors}
    new = [
        ContributorLink(subject=g.subject, fields=None if g.fields is None else tuple(sorted(g.fields)))
        for g in grants
        if g.rid == rid and g.subject not in known
    ]
    return draft.model_copy(update={"contributors": (*draft.contributors, *new)}) if new else draft


def _instead(seen: Seen, resealed: Mapping[str, Outline]) -> Seen | None:
    if not seen.outline.own or seen.outline.rid not in resealed:
        return None
    return seen._replace(outline=resealed[seen.outline.rid])


async def _seen(tx: Reader, world: _World) -> AsyncIterator[list[Seen]]:
    """Every live copy, in batches."""
    above = 0
    crossing = _Crossing(world.peers)
    while True:
        rows = await tx.pick(Copy, COLUMNS, {"state": State.LIVE}, above=("id", above), order="id", limit=BATCH)
        if not rows:
            return
        above = rows[-1][0]
        received = [r[0] for r in rows if not r[3]]
        offers: dict[int, list[Offered]] = {}
        if received:
            for offer in await tx.find(Offer, {"copy": received}):
                offers.setdefault(offer.copy, []).append(crossing.of(offer))
        bare = [r[0] for r in rows if r[10] is None]
        texts = {c.id: outlined(Held.read(c)).outline for c in await tx.get_many(Copy, [(n,) for n in bare])}
        whole = (r if r[10] is not None else (*r[:10], texts[r[0]]) for r in rows)
        yield [Seen(Outline._make(r), tuple(offers.get(r[0], ()))) for r in whole]


class _Crossing:
    """Offers as what may go on from here; few are different."""

    def __init__(self, peers: Mapping[int, KnownPeer]) -> None:
        self._peers = peers
        self._known: dict[tuple[int, str, str], Offered] = {}

    def of(self, offer: Offer) -> Offered:
        key = (offer.peer, offer.fields, offer.hops)
        if key not in self._known:
            names = frozenset(onward([offer], None, {offer.peer}))
            self._known[key] = Offered(self._peers[offer.peer].node_id, names)
        return self._known[key]


async def _contributors(tx: Reader, impact: Impact) -> tuple[str, ...]:
    """The people linked to the records of which somebody would get more or less."""
    touched = sorted(impact.touched())
    if not touched or not await tx.find(ContributorRow, limit=1):
        return ()
    found: set[str] = set()
    for at in range(0, len(touched), LOOKED_UP):
        where = {"id": touched[at : at + LOOKED_UP], "own": True}
        rids = [rid for (rid,) in await tx.pick(Copy, ("rid",), where)]
        found.update(s for (s,) in await tx.pick(ContributorRow, ("subject",), {"rid": rids}))
        await asyncio.sleep(0)
    return tuple(sorted(found))
