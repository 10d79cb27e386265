"""What each peer should be told of each record, decided by the gate, and the ledger of what it was told.

The ledger follows the sequence of changes, so its cost is that of what changed. A line stands while all that it was
decided under does (invariant 6); what does not stand is decided again before anybody hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from federation.claims import TITLE
from governance.agreement import Phase, keeps_copies
from governance.classes import Seen, Side
from governance.gate import Decision, Outcome, decide
from governance.holds import NO_STOPS
from governance.terms import ALL_PURPOSES, NETWORK, PUBLIC, Terms
from node.copies import Held, next_end, outline_of, signed_terms, value_in
from node.core import Core
from node.errors import NotFound
from node.fingerprint import Fingerprint, mark_id
from node.given import Given, given, overwritten
from node.given import read as read_given
from node.peerbook import KnownPeer, Situation, passing_peers
from node.remembering import NOTHING as UNTOLD
from node.remembering import remember_told, ruled
from node.store.port import Reader, Writer
from node.store.rows import Copy, Custody, Entry, Offer, PeerRow, State, VersionRow
from node.support import note_ended, onward

SETTLE_BATCH: Final = 500
_WIDEST: Final = tuple(Terms(frozenset({audience}), ALL_PURPOSES, None) for audience in (NETWORK, PUBLIC))


@dataclass(frozen=True)
class _Wanted:
    """What a peer should be told about a record; `entry` None: nothing. `ends_at`: the next end of a field held.

    `ver` and `iat` are those of an earlier version that the peer keeps during a hold; `narrowed`: less than it has.
    `ruled` is what decided, for those who ask later.
    """

    entry: Entry | None
    copy_id: bytes | None = None
    fields: tuple[str, ...] = ()
    policy: str = ""
    hops: tuple[int, ...] = ()
    ends_at: int | None = None
    ver: int | None = None
    iat: int | None = None
    narrowed: bool = False
    ruled: tuple[str, ...] = ()


NOTHING: Final = _Wanted(None)


@dataclass(frozen=True)
class _Support:
    """What stands behind copies: who offers us received ones, which of these peers' agreements allow to pass things
    on, and the earlier versions that a peer may hold of own ones (texts by record id and number).
    """

    offers: Mapping[int, Sequence[Offer]]
    passing: Collection[int]
    earlier: Mapping[tuple[str, int], Mapping[str, str]]
    sealed: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @staticmethod
    async def read(
        tx: Reader, copies: Collection[Copy], peers: Mapping[int, KnownPeer], told: Mapping[int, Custody]
    ) -> _Support:
        received = [c.id for c in copies if not c.own and c.state == State.LIVE]
        offers: dict[int, list[Offer]] = {}
        for offer in await tx.find(Offer, {"copy": received}) if received else ():
            offers.setdefault(offer.copy, []).append(offer)
        older = [(c.rid, n) for c in copies if c.own and c.id in told for n in _versions(told[c.id]) if n < c.ver]
        versions = await tx.get_many(VersionRow, older) if older else ()
        earlier = {(v.rid, v.ver): json.loads(v.disclosed) for v in versions}
        return _Support(offers, passing_peers(peers), earlier, {(v.rid, v.ver): v.jws for v in versions})

    def unchanged(self, held: Held, ver: int) -> frozenset[str]:
        """The fields whose words are those of version `ver`, as far as we still know it."""
        before = self.earlier.get((held.row.rid, ver), {}) if held.row.own else {}
        return frozenset(n for n, value in held.values.items() if n in before and value_in(before[n]) == value)

    def no_stricter(self, held: Held, had: Given) -> bool:
        """True if no field has stricter terms now than in the version that the peer has.

        What a holder had before is not kept, so it can only tell where the terms are as wide as can be.
        """
        if not held.row.own:
            return all(held.terms.get(n) in _WIDEST for n in had.fields)  # one that is gone by now has none
        jws = self.sealed.get((held.row.rid, had.ver))
        before = {} if jws is None else signed_terms(jws)
        known = before.keys() & held.terms.keys()
        return all(n in known and before[n].narrower_or_equal(held.terms[n]) for n in had.fields)

    def passed_to_us(self, copy: Copy) -> bool:
        return any(o.peer in self.passing for o in self.offers.get(copy.id, ()))

    def onward(self, copy: Copy, to: int | None) -> dict[str, int]:
        return onward(self.offers.get(copy.id, ()), to, self.passing)


class Ledger:
    """Custody of all peers. All methods take a peer's number or row."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def settle(self, peer_id: int) -> None:
        """Bring the custody ledger of a peer up to date with every change committed so far."""
        while await self._behind(peer_id):
            async with self._core.store.write() as tx:
                await self._settle_batch(tx, peer_id)

    async def _behind(self, peer_id: int) -> bool:
        async with self._core.store.read() as tx:
            row = await peer_row(tx, peer_id)
            situation = await self._core.situation(tx)
            peers = await self._core.peers(tx, situation)
            if situation.under(peers[peer_id], peers) != row.decided_under:
                return True
            newer = await tx.find(Copy, above=("change_seq", row.decided_upto), order="change_seq", limit=1)
        return bool(newer)

    async def _settle_batch(self, tx: Writer, peer_id: int) -> None:
        row = await peer_row(tx, peer_id)
        situation = await self._core.situation(tx)
        peers = await self._core.peers(tx, situation)
        peer = peers[peer_id]
        under = situation.under(peer, peers)
        start = row.decided_upto if row.decided_under == under else 0
        batch = await tx.find(Copy, above=("change_seq", start), order="change_seq", limit=SETTLE_BATCH)
        row = await self._decide_batch(tx, replace(row, decided_under=under), batch, situation, peers)
        await tx.put(replace(row, decided_upto=batch[-1].change_seq if batch else start))

    async def _decide_batch(
        self,
        tx: Writer,
        row: PeerRow,
        batch: Sequence[Copy],
        situation: Situation,
        peers: Mapping[int, KnownPeer],
    ) -> PeerRow:
        """Compare what the peer was told with what it should be told; the peer's row with new fingerprints."""
        told = {c.copy: c for c in await tx.get_many(Custody, [(row.id, c.id) for c in batch])}
        support = await _Support.read(tx, batch, peers, told)
        puts, marks = fingerprints(row)
        changed: list[tuple[Custody, Copy, tuple[str, ...]]] = []
        dropped: list[Copy] = []
        mended: list[Copy] = []
        side = Side(situation.policy, {}, situation.circles, frozenset(), situation.releases)
        for copy in batch:
            was = told.get(copy.id)
            # On a first visit nearly all is news, and looking twice would cost more than it saves.
            if told and _plainly_stays(copy, was, peers[row.id], situation, side):
                continue
            wanted = self._wanted(copy, peers[row.id], was, situation, support)
            if _later(copy.ends_at, wanted.ends_at):  # it was written while the clock was ahead
                mended.append(replace(copy, ends_at=wanted.ends_at))
            if _same(was, wanted) and (was is None or was.refused is None):
                continue
            if was is not None:
                _uncount(was, copy, puts, marks)
            if wanted.entry is None:
                dropped.append(copy)
                continue
            new = Custody(
                row.id, copy.id, 0, wanted.entry, wanted.ver or copy.ver, situation.now, wanted.copy_id,
                wanted.iat if wanted.ver else copy.iat, ",".join(wanted.fields), wanted.policy, _handed_over(was, row),
                hops=_written(wanted.hops), given=overwritten(was, row, narrowed=wanted.narrowed),
            )  # fmt: skip
            _count(new, copy, puts, marks)
            changed.append((new, copy, wanted.ruled))
        await self._tell(tx, peers[row.id], changed, dropped, situation.now)
        if any(_has_ended(copy, situation.now) for _, copy, _ in changed):
            await note_ended(tx, situation.now)
        await tx.put_many(mended)
        return replace(row, put_count=puts.count, put_sum=puts.bytes, mark_count=marks.count, mark_sum=marks.bytes)

    async def _tell(
        self,
        tx: Writer,
        peer: KnownPeer,
        changed: Sequence[tuple[Custody, Copy, tuple[str, ...]]],
        dropped: Sequence[Copy],
        now: int,
    ) -> None:
        """Write the lines that changed under new numbers, and remember why they did."""
        if not changed and not dropped:
            return
        first = await tx.next_seq(len(changed) + len(dropped))
        lines = [(replace(line, seq=first + n), copy, ruled) for n, (line, copy, ruled) in enumerate(changed)]
        await tx.put_many([line for line, _, _ in lines])
        if dropped:
            await tx.delete(Custody, {"peer": peer.row.id, "copy": [c.id for c in dropped]})
        after = first + len(changed)
        gone = [(Custody(peer.row.id, c.id, after + n, UNTOLD, c.ver, now), c, ()) for n, c in enumerate(dropped)]
        await remember_told(tx, [*lines, *gone], peer, now)

    def _wanted(
        self,
        copy: Copy,
        peer: KnownPeer,
        was: Custody | None,
        situation: Situation,
        support: _Support,
        held: Held | None = None,
    ) -> _Wanted:
        if copy.state == State.WITHDRAWN:
            known = _handed_over(was, peer.row) or copy.origin == peer.node_id or copy.relay
            return _Wanted(Entry.WITHDRAW) if known else NOTHING
        if copy.origin == peer.node_id:
            return NOTHING
        why: tuple[str, ...] = ()
        if copy.state == State.LIVE:
            held = held or Held.read(copy)
            if peer.held or held.stop(situation.stops) is not None:
                return self._while_held(held, peer, was, situation, support)
            decision = self._decision(held, peer, was, situation, support)
            if was is not None and was.ver != copy.ver and only_keeps(peer, situation.now):
                # An edit is news, and whoever only keeps what it has does not hear of it; of a narrowing it does.
                if decision.outcome is Outcome.SHARE and _had(was, peer.row) == decision.fields:
                    return _as_before(was)
                decision = replace(decision, fields=decision.fields & support.unchanged(held, was.ver))
            why = ruled(decision)
            hops = None if copy.own else support.onward(copy, peer.row.id)
            fields = tuple(n for n in held.texts if n in decision.fields and (hops is None or n in hops))
            if decision.outcome is Outcome.SHARE and TITLE in fields:
                crossed = () if hops is None else tuple(hops[n] for n in fields)
                ends_at = held.next_end(situation.now)
                return _Wanted(
                    Entry.PUT, held.copy_id(fields), fields, decision.policy_version, crossed, ends_at,
                    ruled=why,
                )  # fmt: skip
        if not _handed_over(was, peer.row):
            return NOTHING  # there is nothing to take back
        return _Wanted(Entry.RETRACT, policy=situation.policy.version, ruled=why)

    def _while_held(
        self, held: Held, peer: KnownPeer, was: Custody | None, situation: Situation, support: _Support
    ) -> _Wanted:
        """During a hold the peer keeps what it was given; less of it passes at once, and nothing else does."""
        had, copy = given(was, peer.row), held.row
        if had is None:
            return _Wanted(Entry.RETRACT) if _handed_over(was, peer.row) else NOTHING
        decision = self._decision(held, peer, was, situation, support, lifted=True)
        hops = None if copy.own else support.onward(copy, peer.row.id)
        left = decision.fields if decision.outcome is Outcome.SHARE else frozenset()
        left = frozenset(n for n in had.fields if n in left and (hops is None or n in hops))
        fields = tuple(n for n in held.texts if n in left)
        crossed = () if hops is None else tuple(hops[n] for n in fields)
        as_before = support.no_stricter(held, had) if had.ver != copy.ver else _written(crossed) == had.hops
        if len(left) == len(had.fields) and as_before:
            return _Wanted(
                Entry.PUT, had.copy_id, had.fields, had.policy, tuple(map(int, filter(None, had.hops.split(",")))),
                ver=had.ver, iat=had.iat,
            )  # fmt: skip
        if had.ver != copy.ver:
            left &= support.unchanged(held, had.ver)
            fields = tuple(n for n in fields if n in left)
            crossed = () if hops is None else tuple(hops[n] for n in fields)
        if TITLE not in fields or had.seq > peer.row.acked:  # it may never have had it: then even less would be news
            return _Wanted(Entry.RETRACT, policy=situation.policy.version)
        ends_at = held.next_end(situation.now)
        return _Wanted(
            Entry.PUT, held.copy_id(fields), fields, decision.policy_version, crossed, ends_at, narrowed=True
        )

    def _decision(
        self,
        held: Held,
        peer: KnownPeer,
        was: Custody | None,
        situation: Situation,
        support: _Support,
        *,
        lifted: bool = False,
    ) -> Decision:
        """The gate's word; `lifted`: as if nothing were on hold."""
        released = situation.released(held.row)
        stops = NO_STOPS if lifted else situation.stops
        view = held.view(situation.circles, support.passed_to_us(held.row), stops=stops, released=released)
        to = replace(peer.recipient, held=False) if lifted else peer.recipient
        if not only_keeps(peer, situation.now):
            return decide(view, to, situation.policy, situation.now)
        # The agreement has ended and lets the peer keep what it has: nothing new, and never more than still may be.
        assert peer.clauses is not None
        as_before = replace(to, phase=Phase.ACTIVE, clauses=replace(peer.clauses, until=None))
        decision = decide(view, as_before, situation.policy, situation.now)
        return replace(decision, fields=decision.fields & _had(was, peer.row))

    async def redecide(self, tx: Writer, row: PeerRow, copies: Sequence[Copy]) -> None:
        """Decide these copies again for a peer, now."""
        situation = await self._core.situation(tx)
        peers = await self._core.peers(tx, situation)
        await tx.put(await self._decide_batch(tx, row, copies, situation, peers))

    async def stale(self, tx: Reader, row: PeerRow, lines: Sequence[Custody], copies: Mapping[int, Copy]) -> list[Copy]:
        """The copies among these whose line is no longer what the gate says: something changed, or time has passed."""
        situation = await self._core.situation(tx)
        peers = await self._core.peers(tx, situation)
        peer = peers[row.id]
        under = situation.under(peer, peers)
        told = {line.copy: line for line in lines if line.copy in copies}
        doubtful = [copies[n] for n in told if not _stands(copies[n], row, under, situation.now)]
        support = await _Support.read(tx, doubtful, peers, told)
        return [c for c in doubtful if not _same(told[c.id], self._wanted(c, peer, told[c.id], situation, support))]

    async def would_have(
        self,
        tx: Reader,
        peer_id: int,
        copies: Sequence[int],
        situation: Situation,
        peers: Mapping[int, KnownPeer],
        anew: Mapping[int, Mapping[str, Terms]],
    ) -> dict[int, frozenset[str]]:
        """The fields of these copies that a peer has, or would have in a situation that is only thought of.

        `anew` are the terms under which own records would be sealed anew.
        """
        told = {c.copy: c for c in await tx.get_many(Custody, [(peer_id, n) for n in copies])}
        wanted = list(told) if only_keeps(peers[peer_id], situation.now) else copies
        rows = await tx.get_many(Copy, [(n,) for n in wanted])
        support = await _Support.read(tx, rows, peers, told)
        out: dict[int, frozenset[str]] = {}
        for row in rows:
            copy, behind, among = row, support, situation
            held = Held.read(row) if row.state == State.LIVE else None
            if held is not None and row.id in anew:
                terms = anew[row.id]
                kept = {n: t for n, t in held.texts.items() if held.terms[n].narrower_or_equal(terms[n])}
                behind = replace(support, earlier={**support.earlier, (row.rid, row.ver): kept})
                copy = replace(row, ver=row.ver + 1, iat=situation.now)
                let_go = {(row.origin, row.rid, copy.ver): situation.released(row)}  # the words stay the same
                among = replace(situation, releases={**situation.releases, **let_go})
                held = replace(held, row=copy, terms=terms)
            answer = self._wanted(copy, peers[peer_id], told.get(row.id), among, behind, held)
            if answer.entry is Entry.PUT:
                out[row.id] = frozenset(answer.fields)
        return out

    async def on_hold(self, tx: Reader, row: PeerRow, copies: Collection[Copy]) -> set[int]:
        """The numbers of the copies of which nothing new may go to this peer now."""
        situation = await self._core.situation(tx)
        if row.node_id in situation.stops.peers:
            return {c.id for c in copies}
        if situation.stops is NO_STOPS:
            return set()
        live = [c for c in copies if c.state == State.LIVE]
        return {c.id for c in live if Held.read(c).stop(situation.stops) is not None}

    async def decision_for(self, reader: Reader, held: Held, peer_id: int) -> tuple[Decision, KnownPeer]:
        """What the gate says of a record for a peer at this moment; for explanations and attachments."""
        situation = await self._core.situation(reader)
        peers = await self._core.peers(reader, situation)
        was = await reader.get(Custody, peer_id, held.row.id)
        support = await _Support.read(reader, [held.row], peers, {} if was is None else {was.copy: was})
        decision = self._decision(held, peers[peer_id], was, situation, support)
        if was is not None and was.ver != held.row.ver and only_keeps(peers[peer_id], situation.now):
            decision = replace(decision, fields=decision.fields & support.unchanged(held, was.ver))
        if not held.row.own:
            decision = replace(decision, fields=decision.fields & support.onward(held.row, None).keys())
        return decision, peers[peer_id]


def _plainly_stays(copy: Copy, was: Custody | None, peer: KnownPeer, situation: Situation, side: Side) -> bool:
    """True for the common case, told from the outline alone: of an own record the peer may have just what it has.

    After a change of policy nearly all lines are of this sort, and none of them has to be read.
    """
    if not copy.own or copy.state != State.LIVE or copy.outline is None or situation.stops is not NO_STOPS:
        return False
    if was is not None and (was.entry, was.ver, was.refused) != (Entry.PUT, copy.ver, None):
        return False
    if only_keeps(peer, situation.now):
        return False
    outline = outline_of(copy)
    if _later(copy.ends_at, next_end(outline.sealed().values(), situation.now)):
        return False
    given = side.given(Seen(outline), peer.recipient, situation.now)
    return given == (frozenset(was.fields.split(",")) if was is not None else frozenset())


def _has_ended(copy: Copy, now: int) -> bool:
    """True if by our clock a field of an own record has ended."""
    return copy.own and copy.outline is not None and any(t.ended(now) for t in outline_of(copy).sealed().values())


async def peer_row(tx: Reader, peer_id: int) -> PeerRow:
    """The peer's row; `NotFound` if there is none any more."""
    row = await tx.get(PeerRow, peer_id)
    if row is None:
        raise NotFound("this peer is no longer known here")
    return row


def fingerprints(row: PeerRow) -> tuple[Fingerprint, Fingerprint]:
    """Of the copies that the peer should hold from us, and of the withdrawals both should know."""
    return Fingerprint.of(row.put_count, row.put_sum), Fingerprint.of(row.mark_count, row.mark_sum)


def _count(line: Custody, copy: Copy, puts: Fingerprint, marks: Fingerprint) -> None:
    if line.entry == Entry.PUT and line.refused is None and line.copy_id is not None:
        puts.add(line.copy_id)
    elif line.entry == Entry.WITHDRAW:
        marks.add(mark_id(copy.origin, copy.rid))


def _uncount(line: Custody, copy: Copy, puts: Fingerprint, marks: Fingerprint) -> None:
    if line.entry == Entry.PUT and line.refused is None and line.copy_id is not None:
        puts.remove(line.copy_id)
    elif line.entry == Entry.WITHDRAW:
        marks.remove(mark_id(copy.origin, copy.rid))


def only_keeps(peer: KnownPeer, now: int) -> bool:
    """True if the agreement has ended and lets the peer keep what it has."""
    return keeps_copies(peer.phase(now), peer.clauses)


def _had(was: Custody | None, row: PeerRow) -> frozenset[str]:
    """The fields that the peer was given and took."""
    if was is None or was.entry != Entry.PUT or was.refused is not None or not _handed_over(was, row):
        return frozenset()
    return frozenset(was.fields.split(","))


def _versions(line: Custody) -> set[int]:
    before = read_given(line.given)
    return {line.ver} if before is None else {line.ver, before.ver}


def _as_before(was: Custody) -> _Wanted:
    hops = tuple(map(int, filter(None, was.hops.split(","))))
    return _Wanted(Entry(was.entry), was.copy_id, tuple(was.fields.split(",")), was.policy, hops)


def _stands(copy: Copy, row: PeerRow, under: str, now: int) -> bool:
    """True if the ledger line of this copy was decided in the very state we are in, so that the gate would repeat it.

    `under` covers all that is not the record's own; each change of a record moves its `change_seq`; and no field of it
    has ended since.
    """
    return (
        row.decided_under == under
        and copy.change_seq <= row.decided_upto
        and (copy.ends_at is None or now < copy.ends_at)
    )


def _later(end: int | None, other: int | None) -> bool:
    return other is not None and (end is None or end > other)


def _same(was: Custody | None, wanted: _Wanted) -> bool:
    if was is None:
        return wanted.entry is None
    return (was.entry, was.copy_id, was.hops) == (wanted.entry, wanted.copy_id, _written(wanted.hops))


def _written(hops: Iterable[int]) -> str:
    return ",".join(map(str, hops))


def _handed_over(was: Custody | None, row: PeerRow) -> bool:
    """True if the peer may have been told of the record, in this or an earlier state of the line."""
    return was is not None and (was.told or was.seq <= row.issued)
