"""The ledger of what each peer was told of each record, kept equal to what `node.wanted` says it should be told.

The ledger follows the sequence of changes, so its cost is that of what changed. A line stands while all that it was
decided under does (invariant 6); what does not stand is decided again before anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from governance.classes import Side
from governance.gate import Decision
from governance.holds import NO_STOPS
from governance.terms import Terms
from node.copies import Held, outline_of
from node.core import Core
from node.errors import NotFound
from node.explaining.remembering import NOTHING as UNTOLD
from node.explaining.remembering import remember_told
from node.fingerprint import Fingerprint, mark_id
from node.holds.given import overwritten
from node.peerbook import KnownPeer, Situation
from node.store.port import Reader, Writer
from node.store.rows import Copy, Custody, Entry, PeerRow, State
from node.support import note_ended
from node.wanted import (
    Support,
    decision_of,
    handed_over,
    later,
    only_keeps,
    plainly_stays,
    same,
    wanted,
    written_hops,
)

SETTLE_BATCH: Final = 500


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
        support = await Support.read(tx, batch, peers, told)
        puts, marks = fingerprints(row)
        changed: list[tuple[Custody, Copy, tuple[str, ...]]] = []
        dropped: list[Copy] = []
        mended: list[Copy] = []
        side = Side(situation.policy, {}, situation.circles, frozenset(), situation.releases)
        for copy in batch:
            was = told.get(copy.id)
            # On a first visit nearly all is news, and looking twice would cost more than it saves.
            if told and plainly_stays(copy, was, peers[row.id], situation, side):
                continue
            due = wanted(copy, peers[row.id], was, situation, support)
            if later(copy.ends_at, due.ends_at):  # it was written while the clock was ahead
                mended.append(replace(copy, ends_at=due.ends_at))
            if same(was, due) and (was is None or was.refused is None):
                continue
            if was is not None:
                _uncount(was, copy, puts, marks)
            if due.entry is None:
                dropped.append(copy)
                continue
            new = Custody(
                row.id, copy.id, 0, due.entry, due.ver or copy.ver, situation.now, due.copy_id,
                due.iat if due.ver else copy.iat, ",".join(due.fields), due.policy, handed_over(was, row),
                hops=written_hops(due.hops), given=overwritten(was, row, narrowed=due.narrowed),
            )  # fmt: skip
            _count(new, copy, puts, marks)
            changed.append((new, copy, due.ruled))
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
        support = await Support.read(tx, doubtful, peers, told)
        return [c for c in doubtful if not same(told[c.id], wanted(c, peer, told[c.id], situation, support))]

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
        looked_at = list(told) if only_keeps(peers[peer_id], situation.now) else copies
        rows = await tx.get_many(Copy, [(n,) for n in looked_at])
        support = await Support.read(tx, rows, peers, told)
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
            answer = wanted(copy, peers[peer_id], told.get(row.id), among, behind, held)
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
        support = await Support.read(reader, [held.row], peers, {} if was is None else {was.copy: was})
        decision = decision_of(held, peers[peer_id], was, situation, support)
        if was is not None and was.ver != held.row.ver and only_keeps(peers[peer_id], situation.now):
            decision = replace(decision, fields=decision.fields & support.unchanged(held, was.ver))
        if not held.row.own:
            decision = replace(decision, fields=decision.fields & support.onward(held.row, None).keys())
        return decision, peers[peer_id]


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
