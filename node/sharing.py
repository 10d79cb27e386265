"""The sending side: decide what each peer may have, keep the custody ledger, and cut its feed into pages.

The ledger follows the sequence of changes, so its cost is that of what changed. What goes into a page is decided again
at that moment (invariant 6): the ledger says what to look at, never what may pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.claims import TITLE
from federation.documents import Manifest, ManifestItem
from federation.exchange import Ready
from federation.messages import Circle, Entry, Marks, Page, Put, Retract, Withdraw
from federation.negentropy import Item
from governance.agreement import Phase, keeps_copies
from governance.gate import Decision, Outcome, decide
from node.circles import circle_owner
from node.copies import Held
from node.core import Core
from node.errors import NotFound
from node.fingerprint import Fingerprint, mark_id, order_key
from node.peerbook import KnownPeer, Situation, known_origins, passing_peers, read_history
from node.store.port import Reader, Writer
from node.store.rows import CircleRow, Copy, Custody, Offer, Outgoing, PeerRow, State
from node.store.rows import Entry as Told
from node.support import onward

SETTLE_BATCH: Final = 500
PAGE_RECORDS: Final = 500  # one transaction at the receiver, and half of what one receipt can confirm
PAGE_BYTES: Final = 2 * 1024 * 1024  # what 50 kbit/s carries before a session of five minutes gives up
PAGE_FIELDS: Final = 8_000  # so that the page's manifest stays well under its own limit
MAX_REBUILDS: Final = 5


@dataclass(frozen=True)
class _Wanted:
    """What a peer should be told about a record; `entry` None: nothing."""

    entry: Told | None
    copy_id: bytes | None = None
    fields: tuple[str, ...] = ()
    policy: str = ""
    held: Held | None = None
    hops: tuple[int, ...] = ()


NOTHING: Final = _Wanted(None)


@dataclass(frozen=True)
class _Support:
    """Who offers us received copies, and which of these peers' agreements allow to pass things on."""

    offers: Mapping[int, Sequence[Offer]]
    passing: Collection[int]

    @staticmethod
    async def read(tx: Reader, copies: Iterable[Copy], peers: Mapping[int, KnownPeer]) -> _Support:
        received = [c.id for c in copies if not c.own and c.state == State.LIVE]
        offers: dict[int, list[Offer]] = {}
        for offer in await tx.find(Offer, {"copy": received}) if received else ():
            offers.setdefault(offer.copy, []).append(offer)
        return _Support(offers, passing_peers(peers))

    def passed_to_us(self, copy: Copy) -> bool:
        return any(o.peer in self.passing for o in self.offers.get(copy.id, ()))

    def onward(self, copy: Copy, to: int | None) -> dict[str, int]:
        return onward(self.offers.get(copy.id, ()), to, self.passing)


class Sharing:
    """What leaves for peers. All methods take a peer's number."""

    def __init__(self, core: Core, page_records: int = PAGE_RECORDS, page_bytes: int = PAGE_BYTES) -> None:
        self._core = core
        self._page_records = page_records
        self._page_bytes = page_bytes

    # --- the ledger ------------------------------------------------------------------------------------------------

    async def settle(self, peer_id: int) -> None:
        """Bring the custody ledger of a peer up to date with every change committed so far."""
        while await self._behind(peer_id):
            async with self._core.store.write() as tx:
                await self._settle_batch(tx, peer_id)

    async def _behind(self, peer_id: int) -> bool:
        async with self._core.store.read() as tx:
            row = await _peer(tx, peer_id)
            situation = await self._core.situation(tx)
            peers = await self._core.peers(tx, situation)
            if situation.under(peers[peer_id], peers) != row.decided_under:
                return True
            newer = await tx.find(Copy, above=("change_seq", row.decided_upto), order="change_seq", limit=1)
        return bool(newer)

    async def _settle_batch(self, tx: Writer, peer_id: int) -> None:
        row = await _peer(tx, peer_id)
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
        support = await _Support.read(tx, batch, peers)
        puts, marks = _fingerprints(row)
        changed: list[Custody] = []
        dropped: list[int] = []
        for copy in batch:
            was = told.get(copy.id)
            wanted = self._wanted(copy, peers[row.id], was, situation, support)
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
        return replace(row, put_count=puts.count, put_sum=puts.bytes, mark_count=marks.count, mark_sum=marks.bytes)

    def _wanted(
        self, copy: Copy, peer: KnownPeer, was: Custody | None, situation: Situation, support: _Support
    ) -> _Wanted:
        if copy.state == State.WITHDRAWN:
            known = _handed_over(was, peer.row) or copy.origin == peer.node_id or copy.relay
            return _Wanted(Told.WITHDRAW) if known else NOTHING
        if copy.origin == peer.node_id:
            return NOTHING
        if copy.state == State.LIVE:
            held = Held.read(copy)
            decision = self._decision(held, peer, was, situation, support.passed_to_us(copy))
            hops = None if copy.own else support.onward(copy, peer.row.id)
            fields = tuple(n for n in held.texts if n in decision.fields and (hops is None or n in hops))
            if decision.outcome is Outcome.SHARE and TITLE in fields:
                crossed = () if hops is None else tuple(hops[n] for n in fields)
                return _Wanted(Told.PUT, held.copy_id(fields), fields, decision.policy_version, held, crossed)
        if not _handed_over(was, peer.row):
            return NOTHING  # there is nothing to take back
        return _Wanted(Told.RETRACT, policy=situation.policy.version)

    def _decision(
        self, held: Held, peer: KnownPeer, was: Custody | None, situation: Situation, passed_to_us: bool
    ) -> Decision:
        view, to = held.view(situation.circles, passed_to_us), peer.recipient()
        if not keeps_copies(peer.phase(situation.now), peer.clauses):
            return decide(view, to, situation.policy, situation.now)
        # The agreement has ended and lets the peer keep what it has: nothing new, and never more than still may be.
        assert peer.clauses is not None
        as_before = replace(to, phase=Phase.ACTIVE, clauses=replace(peer.clauses, until=None))
        decision = decide(view, as_before, situation.policy, situation.now)
        had = frozenset(was.fields.split(",")) if was is not None and was.entry == Told.PUT else frozenset()
        return replace(decision, fields=decision.fields & had)

    async def decision_for(self, reader: Reader, held: Held, peer_id: int) -> tuple[Decision, KnownPeer]:
        """What the gate says of a record for a peer at this moment; for explanations and attachments."""
        situation = await self._core.situation(reader)
        peers = await self._core.peers(reader, situation)
        support = await _Support.read(reader, [held.row], peers)
        was = await reader.get(Custody, peer_id, held.row.id)
        decision = self._decision(held, peers[peer_id], was, situation, support.passed_to_us(held.row))
        if not held.row.own:
            decision = replace(decision, fields=decision.fields & support.onward(held.row, None).keys())
        return decision, peers[peer_id]

    # --- the feed --------------------------------------------------------------------------------------------------

    async def ready(self, peer_id: int) -> Ready:
        """Where we are with the peer, after settling."""
        await self.settle(peer_id)
        async with self._core.store.read() as tx:
            row = await _peer(tx, peer_id)
            waiting = await tx.find(Custody, {"peer": peer_id}, above=("seq", row.acked), order="seq", limit=1)
            unacked = await _unacked_marks(tx, row)
        marks = Fingerprint.of(row.mark_count, row.mark_sum)
        acked = marks.without(unacked)
        return Ready(
            row.cursor, row.acked, row.issued, row.offer_count, row.offer_sum, row.put_count, row.put_sum,
            Marks(marks.count, marks.bytes), Marks(acked.count, acked.bytes), bool(waiting),
        )  # fmt: skip

    async def page(self, peer_id: int, after: int) -> Page:
        """The next part of the peer's feed. If anything changed while it was cut, it is cut again."""
        for _ in range(MAX_REBUILDS):
            async with self._core.store.read() as tx:
                seen, policy = await _newest(tx), self._core.policy
                page, stale = await self._cut(tx, peer_id, after)
            if page.cursor == after and not stale:
                return page
            async with self._core.store.write() as tx:
                if await _newest(tx) != seen or self._core.policy is not policy:
                    continue
                row = await _peer(tx, peer_id)
                if stale:
                    await self._redecide(tx, row, stale)
                    continue
                await tx.put(replace(row, issued=max(row.issued, page.cursor)))
                return page
        async with self._core.store.write() as tx:  # a busy node: nobody else writes while we cut
            page, stale = await self._cut(tx, peer_id, after)
            row = await _peer(tx, peer_id)
            if stale:
                await self._redecide(tx, row, stale)
                page, _ = await self._cut(tx, peer_id, after)
                row = await _peer(tx, peer_id)
            await tx.put(replace(row, issued=max(row.issued, page.cursor)))
            return page

    async def _redecide(self, tx: Writer, row: PeerRow, copies: Sequence[Copy]) -> None:
        situation = await self._core.situation(tx)
        peers = await self._core.peers(tx, situation)
        await tx.put(await self._decide_batch(tx, row, copies, situation, peers))

    async def _cut(self, tx: Reader, peer_id: int, after: int) -> tuple[Page, list[Copy]]:
        """A page, and the copies whose ledger line is no longer what the gate says (time has passed)."""
        row = await _peer(tx, peer_id)
        situation = await self._core.situation(tx)
        peers = await self._core.peers(tx, situation)
        lines = await tx.find(Custody, {"peer": peer_id}, above=("seq", after), order="seq", limit=self._page_records)
        ids = [(line.copy,) for line in lines]
        copies = {c.id: c for c in await tx.get_many(Copy, ids)}
        circles = {c.id: c for c in await tx.get_many(CircleRow, ids, by=("id",))}
        support = await _Support.read(tx, copies.values(), peers)
        cut = _Cut(self._page_bytes, after)
        more = len(lines) == self._page_records
        for line in lines:
            if line.entry == Told.ROSTER:
                circle = circles[line.copy]
                cut.origins[circle_owner(circle.cid)] = None
                cut.add(Circle(line.seq, circle.roster))
                continue
            copy = copies[line.copy]
            wanted = self._wanted(copy, peers[peer_id], line, situation, support)
            if not _same(line, wanted):
                cut.stale.append(copy)
                continue
            if line.refused is not None:
                cut.upto = line.seq  # both sides count it as not handed over; it is tried again when something changes
                continue
            if self._core.policy_problem and line.entry == Told.PUT:
                more = False  # a policy that cannot be read takes nothing back by mistake, and shares nothing either
                break
            if cut.full:
                more = True
                break
            cut.tell(line, copy, wanted)
        page = await self._finish(tx, row, after, cut, more=more)
        return page, cut.stale

    async def _finish(self, tx: Reader, row: PeerRow, after: int, cut: _Cut, *, more: bool) -> Page:
        # Our own history goes with every page that brings something, so that a new key or address is known in time.
        histories = await known_origins(tx, {*cut.origins, self._core.node_id} if cut.entries else ())
        own = (await self._core.situation(tx)).history
        return Page(
            after,
            tuple(cut.entries),
            cut.upto,
            more,
            row.put_count,
            row.put_sum,
            tuple(tuple(e.decode("ascii") for e in h.entries) for h in histories.values()),
            self._manifest(row, cut),
            read_history(own).head,
            row.offer_count,
            row.offer_sum,
            row.proposal is not None or bool(await tx.find(Outgoing, {"peer": row.id}, limit=1)),
        )

    def _manifest(self, row: PeerRow, cut: _Cut) -> str:
        if not cut.items:
            return ""
        return self._core.sign(
            Manifest(iss=self._core.node_id, iat=self._core.now(), to=row.node_id, items=tuple(cut.items))
        )

    # --- reconciliation --------------------------------------------------------------------------------------------

    async def items(self, peer_id: int) -> list[Item]:
        """The copies that the peer should hold from us."""
        async with self._core.store.read() as tx:
            lines = await tx.find(Custody, {"peer": peer_id, "entry": Told.PUT, "refused": None})
        return [(order_key(line.iat), line.copy_id) for line in lines if line.copy_id is not None]

    async def requeue(self, tx: Writer, peer_id: int, copy_ids: Sequence[bytes]) -> None:
        """Put copies into the feed again, refused ones too."""
        row = await _peer(tx, peer_id)
        lines = await tx.find(Custody, {"peer": peer_id, "entry": Told.PUT, "copy_id": list(copy_ids)})
        if not lines:
            return
        puts, _ = _fingerprints(row)
        puts.add(*[line.copy_id for line in lines if line.refused is not None and line.copy_id])
        first = await tx.next_seq(len(lines))
        await tx.put_many([replace(line, seq=first + n, refused=None) for n, line in enumerate(lines)])
        await tx.put(replace(row, put_count=puts.count, put_sum=puts.bytes))


class _Cut:
    """A page while it is being cut."""

    def __init__(self, max_bytes: int, after: int) -> None:
        self._room = max_bytes
        self.upto = after
        self._fields = 0
        self.entries: list[Entry] = []
        self.items: list[ManifestItem] = []
        self.origins: dict[str, None] = {}
        self.stale: list[Copy] = []

    @property
    def full(self) -> bool:
        return self._room <= 0 or self._fields >= PAGE_FIELDS

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.upto = entry.seq

    def tell(self, line: Custody, copy: Copy, wanted: _Wanted) -> None:
        """Add the entry of one ledger line."""
        self.origins[copy.origin] = None
        if wanted.entry is Told.WITHDRAW:
            assert copy.withdrawal is not None
            self.add(Withdraw(line.seq, copy.withdrawal))
        elif wanted.entry is Told.RETRACT:
            self.add(Retract(line.seq, copy.origin, copy.rid, copy.ver))
        else:
            assert copy.jws is not None
            assert copy.vid is not None
            assert wanted.held is not None
            texts = tuple(wanted.held.texts_of(wanted.fields))
            self.add(Put(line.seq, copy.jws, texts, wanted.hops))
            self.items.append(ManifestItem(vid=copy.vid.hex(), fields=wanted.fields))
            self._room -= len(copy.jws) + sum(map(len, texts))
            self._fields += len(texts)


async def _peer(tx: Reader, peer_id: int) -> PeerRow:
    row = await tx.get(PeerRow, peer_id)
    if row is None:
        raise NotFound("this peer is no longer known here")
    return row


async def _newest(tx: Reader) -> tuple[int, str]:
    """The last change to any record, and the last to any peer or circle, as one comparable value."""
    last = await tx.find(Copy, order="change_seq", descending=True, limit=1)
    phases = sorted((p.id, p.phase, p.agreement or "") for p in await tx.find(PeerRow))
    rosters = sorted((c.cid, c.seq) for c in await tx.find(CircleRow))
    return (last[0].change_seq if last else 0, repr((phases, rosters)))


async def _unacked_marks(tx: Reader, row: PeerRow) -> list[bytes]:
    lines = await tx.find(Custody, {"peer": row.id, "entry": Told.WITHDRAW}, above=("seq", row.acked))
    copies = await tx.get_many(Copy, [(line.copy,) for line in lines])
    return [mark_id(c.origin, c.rid) for c in copies]


def _fingerprints(row: PeerRow) -> tuple[Fingerprint, Fingerprint]:
    return Fingerprint.of(row.put_count, row.put_sum), Fingerprint.of(row.mark_count, row.mark_sum)


def _count(line: Custody, copy: Copy, puts: Fingerprint, marks: Fingerprint) -> None:
    if line.entry == Told.PUT and line.refused is None and line.copy_id is not None:
        puts.add(line.copy_id)
    elif line.entry == Told.WITHDRAW:
        marks.add(mark_id(copy.origin, copy.rid))


def _uncount(line: Custody, copy: Copy, puts: Fingerprint, marks: Fingerprint) -> None:
    if line.entry == Told.PUT and line.refused is None and line.copy_id is not None:
        puts.remove(line.copy_id)
    elif line.entry == Told.WITHDRAW:
        marks.remove(mark_id(copy.origin, copy.rid))


def _same(was: Custody | None, wanted: _Wanted) -> bool:
    if was is None:
        return wanted.entry is None
    return (was.entry, was.copy_id, was.hops) == (wanted.entry, wanted.copy_id, _written(wanted.hops))


def _written(hops: Iterable[int]) -> str:
    return ",".join(map(str, hops))


def _handed_over(was: Custody | None, row: PeerRow) -> bool:
    """True if the peer may have been told of the record, in this or an earlier state of the line."""
    return was is not None and (was.told or was.seq <= row.issued)
