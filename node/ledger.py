"""What each peer should be told of each record, decided by the gate, and the ledger of what it was told.

The ledger follows the sequence of changes, so its cost is that of what changed. A line stands while all that it was
decided under does (invariant 6); what does not stand is decided again before anybody hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.claims import TITLE
from governance.agreement import Phase, keeps_copies
from governance.gate import Decision, Outcome, decide
from node.copies import Held, value_in
from node.core import Core
from node.errors import NotFound
from node.fingerprint import Fingerprint, mark_id
from node.peerbook import KnownPeer, Situation, passing_peers
from node.store.port import Reader, Writer
from node.store.rows import Copy, Custody, Entry, Offer, PeerRow, State, VersionRow
from node.support import onward

SETTLE_BATCH: Final = 500


@dataclass(frozen=True)
class _Wanted:
    """What a peer should be told about a record; `entry` None: nothing. `ends_at`: the next end of a field held."""

    entry: Entry | None
    copy_id: bytes | None = None
    fields: tuple[str, ...] = ()
    policy: str = ""
    hops: tuple[int, ...] = ()
    ends_at: int | None = None


NOTHING: Final = _Wanted(None)


@dataclass(frozen=True)
class _Support:
    """What stands behind copies: who offers us received ones, which of these peers' agreements allow to pass things
    on, and the earlier versions that a peer may hold of own ones (texts by record id and number).
    """

    offers: Mapping[int, Sequence[Offer]]
    passing: Collection[int]
    earlier: Mapping[tuple[str, int], Mapping[str, str]]

    @staticmethod
    async def read(
        tx: Reader, copies: Collection[Copy], peers: Mapping[int, KnownPeer], told: Mapping[int, Custody]
    ) -> _Support:
        received = [c.id for c in copies if not c.own and c.state == State.LIVE]
        offers: dict[int, list[Offer]] = {}
        for offer in await tx.find(Offer, {"copy": received}) if received else ():
            offers.setdefault(offer.copy, []).append(offer)
        older = [(c.rid, told[c.id].ver) for c in copies if c.own and c.id in told and told[c.id].ver < c.ver]
        versions = await tx.get_many(VersionRow, older) if older else ()
        return _Support(offers, passing_peers(peers), {(v.rid, v.ver): json.loads(v.disclosed) for v in versions})

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
        changed: list[Custody] = []
        dropped: list[int] = []
        mended: list[Copy] = []
        for copy in batch:
            was = told.get(copy.id)
            wanted = self._wanted(copy, peers[row.id], was, situation, support)
            if _later(copy.ends_at, wanted.ends_at):  # it was written while the clock was ahead
                mended.append(replace(copy, ends_at=wanted.ends_at))
            if _same(was, wanted) and (was is None or was.refused is None):
                continue
            if was is not None:
                _uncount(was, copy, puts, marks)
            if wanted.entry is None:
                dropped.append(copy.id)
                continue
            new = Custody(
                row.id, copy.id, 0, wanted.entry, copy.ver, situation.now, wanted.copy_id, copy.iat,
                ",".join(wanted.fields), wanted.policy, _handed_over(was, row), hops=_written(wanted.hops),
            )  # fmt: skip
            _count(new, copy, puts, marks)
            changed.append(new)
        if changed:
            first = await tx.next_seq(len(changed))
            await tx.put_many([replace(c, seq=first + n) for n, c in enumerate(changed)])
        if dropped:
            await tx.delete(Custody, {"peer": row.id, "copy": dropped})
        await tx.put_many(mended)
        return replace(row, put_count=puts.count, put_sum=puts.bytes, mark_count=marks.count, mark_sum=marks.bytes)

    def _wanted(
        self, copy: Copy, peer: KnownPeer, was: Custody | None, situation: Situation, support: _Support
    ) -> _Wanted:
        if copy.state == State.WITHDRAWN:
            known = _handed_over(was, peer.row) or copy.origin == peer.node_id or copy.relay
            return _Wanted(Entry.WITHDRAW) if known else NOTHING
        if copy.origin == peer.node_id:
            return NOTHING
        if copy.state == State.LIVE:
            held = Held.read(copy)
            decision = self._decision(held, peer, was, situation, support)
            if was is not None and was.ver != copy.ver and only_keeps(peer, situation.now):
                # An edit is news, and whoever only keeps what it has does not hear of it; of a narrowing it does.
                if decision.outcome is Outcome.SHARE and _had(was, peer.row) == decision.fields:
                    return _as_before(was)
                decision = replace(decision, fields=decision.fields & _unchanged(held, was, support))
            hops = None if copy.own else support.onward(copy, peer.row.id)
            fields = tuple(n for n in held.texts if n in decision.fields and (hops is None or n in hops))
            if decision.outcome is Outcome.SHARE and TITLE in fields:
                crossed = () if hops is None else tuple(hops[n] for n in fields)
                ends_at = held.next_end(situation.now)
                return _Wanted(Entry.PUT, held.copy_id(fields), fields, decision.policy_version, crossed, ends_at)
        if not _handed_over(was, peer.row):
            return NOTHING  # there is nothing to take back
        return _Wanted(Entry.RETRACT, policy=situation.policy.version)

    def _decision(
        self, held: Held, peer: KnownPeer, was: Custody | None, situation: Situation, support: _Support
    ) -> Decision:
        view, to = held.view(situation.circles, support.passed_to_us(held.row)), peer.recipient
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

    async def decision_for(self, reader: Reader, held: Held, peer_id: int) -> tuple[Decision, KnownPeer]:
        """What the gate says of a record for a peer at this moment; for explanations and attachments."""
        situation = await self._core.situation(reader)
        peers = await self._core.peers(reader, situation)
        was = await reader.get(Custody, peer_id, held.row.id)
        support = await _Support.read(reader, [held.row], peers, {} if was is None else {was.copy: was})
        decision = self._decision(held, peers[peer_id], was, situation, support)
        if was is not None and was.ver != held.row.ver and only_keeps(peers[peer_id], situation.now):
            decision = replace(decision, fields=decision.fields & _unchanged(held, was, support))
        if not held.row.own:
            decision = replace(decision, fields=decision.fields & support.onward(held.row, None).keys())
        return decision, peers[peer_id]


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


def _unchanged(held: Held, was: Custody, support: _Support) -> frozenset[str]:
    """The fields whose words are those of the version that the peer has, as far as we still know it."""
    before = support.earlier.get((held.row.rid, was.ver), {}) if held.row.own else {}
    return frozenset(n for n, value in held.values.items() if n in before and value_in(before[n]) == value)


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
