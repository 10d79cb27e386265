"""The sending side: the feed of each peer, cut from its ledger into pages, and what to send again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from federation.documents import Manifest, ManifestItem
from federation.effects import Ready
from federation.messages import Circle, Entry, Hiding, Marks, Page, Put, Retract, Withdraw
from federation.negentropy import Item
from node.circles import circle_owner
from node.copies import texts_held
from node.core import Core
from node.explaining.remembering import remember_confirmed, remember_handed
from node.fingerprint import Fingerprint, mark_id, order_key
from node.holds.given import arrived, given, narrows
from node.ledger import Ledger, fingerprints, peer_row
from node.peerbook import known_origins, read_history
from node.store.governing import HideRow, HoldRow
from node.store.port import Reader, Writer
from node.store.rows import CircleRow, Copy, Custody, Outgoing, PeerRow
from node.store.rows import Entry as Told
from node.wanted import only_keeps

PAGE_RECORDS: Final = 500  # one transaction at the receiver, and half of what one receipt can confirm
PAGE_BYTES: Final = 2 * 1024 * 1024  # what 50 kbit/s carries before a session of five minutes gives up
PAGE_FIELDS: Final = 8_000  # so that the page's manifest stays well under its own limit
MAX_REBUILDS: Final = 5


class Sharing:
    """What leaves for peers. All methods take a peer's number."""

    def __init__(self, core: Core, page_records: int = PAGE_RECORDS, page_bytes: int = PAGE_BYTES) -> None:
        self._core = core
        self.ledger = Ledger(core)
        self._page_records = page_records
        self._page_bytes = page_bytes

    async def ready(self, peer_id: int) -> Ready:
        """Where we are with the peer, after settling."""
        await self.ledger.settle(peer_id)
        async with self._core.store.read() as tx:
            row = await peer_row(tx, peer_id)
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
                seen = await self._ground(tx)
                page, stale = await self._cut(tx, peer_id, after)
            if page is not None and page.cursor == after:
                return page
            async with self._core.store.write() as tx:
                if await self._ground(tx) != seen:
                    continue
                if page is not None:
                    return await self._issue(tx, peer_id, page)
                await self.ledger.redecide(tx, await peer_row(tx, peer_id), stale)
        async with self._core.store.write() as tx:  # a busy node: nobody else writes while we cut
            while True:
                page, stale = await self._cut(tx, peer_id, after)
                if page is not None:
                    return await self._issue(tx, peer_id, page)
                await self.ledger.redecide(tx, await peer_row(tx, peer_id), stale)

    async def _ground(self, tx: Reader) -> tuple[int, str, str]:
        """All that a page was cut under, as one comparable value."""
        return *await _newest(tx), (await self._core.policy_in(tx)).version

    async def _issue(self, tx: Writer, peer_id: int, page: Page) -> Page:
        row = await peer_row(tx, peer_id)
        await tx.put(replace(row, issued=max(row.issued, page.cursor)))
        await remember_handed(tx, row, page.cursor, self._core.now())
        return page

    async def _cut(self, tx: Reader, peer_id: int, after: int) -> tuple[Page | None, list[Copy]]:
        """A page; or none, and the copies whose lines have to be decided again first."""
        row = await peer_row(tx, peer_id)
        lines = await tx.find(Custody, {"peer": peer_id}, above=("seq", after), order="seq", limit=self._page_records)
        ids = [(line.copy,) for line in lines]
        copies = {c.id: c for c in await tx.get_many(Copy, ids)}
        circles = {c.id: c for c in await tx.get_many(CircleRow, ids, by=("id",))}
        hides = {h.id: h for h in await tx.get_many(HideRow, ids, by=("id",))}
        stale = await self.ledger.stale(tx, row, lines, copies)
        if stale:
            return None, stale
        stopped = await self.ledger.on_hold(tx, row, copies.values())
        cut = _Cut(self._page_bytes, after)
        more = len(lines) == self._page_records
        for line in lines:
            if line.entry == Told.ROSTER:
                circle = circles[line.copy]
                cut.origins[circle_owner(circle.cid)] = None
                cut.add(Circle(line.seq, circle.roster))
                continue
            if line.entry == Told.HIDE:
                hide = hides[line.copy]
                cut.origins[hide.origin] = None
                cut.add(Hiding(line.seq, hide.jws))
                continue
            copy = copies[line.copy]
            if line.entry == Told.PUT and copy.id in stopped and not narrows(line):
                cut.upto = line.seq  # what it has it keeps; what it has lost it is not given again now
                continue
            if line.refused is not None or (line.entry == Told.PUT and line.ver != copy.ver):
                # Refused: both sides count it as not handed over, and it is tried again when something changes.
                # Of another version: the peer keeps an older one, and nobody hands that out again.
                cut.upto = line.seq
                continue
            if self._core.policy_problem and line.entry == Told.PUT:
                more = False  # a policy that cannot be read takes nothing back by mistake, and shares nothing either
                break
            if cut.full:
                more = True
                break
            cut.tell(line, copy)
        return await self._finish(tx, row, after, cut, more=more), []

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
            row.cursor,
        )

    def _manifest(self, row: PeerRow, cut: _Cut) -> str:
        if not cut.items:
            return ""
        return self._core.sign(
            Manifest(iss=self._core.node_id, iat=self._core.now(), to=row.node_id, items=tuple(cut.items))
        )

    # --- reconciliation --------------------------------------------------------------------------------------------

    async def items(self, peer_id: int) -> list[Item]:
        """The copies that the peer should hold by all that we have told it; what it has not heard yet is no loss."""
        async with self._core.store.read() as tx:
            row = await peer_row(tx, peer_id)
            lines = await tx.find(Custody, {"peer": peer_id, "entry": [Told.PUT, Told.RETRACT]})
        states = (given(line, row) for line in lines)
        return [(order_key(state.iat), state.copy_id) for state in states if state is not None]

    async def unheard(self, peer_id: int, upto: int) -> None:
        """The peer has taken our feed up to here and we have not heard it: tell it once more, for its receipts."""
        async with self._core.store.write() as tx:
            row = await peer_row(tx, peer_id)
            if not row.acked < upto <= row.issued:
                return
            where = {"peer": peer_id, "entry": Told.PUT, "refused": None}
            lines = await tx.find(Custody, where, above=("seq", row.acked), upto=("seq", upto))
            await tx.put(replace(row, acked=upto))
            await remember_confirmed(tx, row, upto, self._core.now())
            stopped = await self._stopped(tx, row, lines)  # it has these: they stay, and are not sent a second time
            again = [line.copy_id for line in lines if line.copy_id is not None and line.copy not in stopped]
            await self.requeue(tx, peer_id, again, lost=False)

    async def _stopped(self, tx: Reader, row: PeerRow, lines: Sequence[Custody]) -> set[int]:
        """The copies among these that the peer may keep, and that are not sent to it now, not even again."""
        situation = await self._core.situation(tx)
        if only_keeps(situation.peer(row), situation.now):
            return {line.copy for line in lines}
        return await self._on_hold(tx, row, lines)

    async def _on_hold(self, tx: Reader, row: PeerRow, lines: Sequence[Custody]) -> set[int]:
        return await self.ledger.on_hold(tx, row, await tx.get_many(Copy, [(line.copy,) for line in lines]))

    async def requeue(self, tx: Writer, peer_id: int, copy_ids: Sequence[bytes], *, lost: bool = True) -> None:
        """Put copies into the feed again, refused ones too; `lost`: the peer does not have them."""
        row = await peer_row(tx, peer_id)
        lines = await tx.find(Custody, {"peer": peer_id, "entry": Told.PUT, "copy_id": list(copy_ids)})
        # What a peer may only keep, or has of a record on hold: it has lost it, and both sides count it as gone.
        # Unless it is on its way at this moment, in a session that crosses this one.
        stopped = await self._stopped(tx, row, lines) if lines else set()
        lines = [line for line in lines if line.copy not in stopped or line.seq <= row.acked]
        if not lines:
            return
        puts, _ = fingerprints(row)
        puts.add(*[line.copy_id for line in lines if line.refused is not None and line.copy_id])
        puts.remove(*[line.copy_id for line in lines if line.copy in stopped and line.copy_id])
        lines = [_taken_back(line) if line.copy in stopped else line for line in lines]
        first = await tx.next_seq(len(lines))
        await tx.put_many(
            [
                replace(line, seq=first + n, refused=None, given=None if lost else arrived(line))
                for n, line in enumerate(lines)
            ]
        )
        await tx.put(replace(row, put_count=puts.count, put_sum=puts.bytes))


def _taken_back(line: Custody) -> Custody:
    return replace(line, entry=Told.RETRACT, copy_id=None, fields="", hops="", told=True)


class _Cut:
    """A page while it is being cut."""

    def __init__(self, max_bytes: int, after: int) -> None:
        self._room = max_bytes
        self.upto = after
        self._fields = 0
        self.entries: list[Entry] = []
        self.items: list[ManifestItem] = []
        self.origins: dict[str, None] = {}

    @property
    def full(self) -> bool:
        return self._room <= 0 or self._fields >= PAGE_FIELDS

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.upto = entry.seq

    def tell(self, line: Custody, copy: Copy) -> None:
        """Add the entry of one ledger line."""
        self.origins[copy.origin] = None
        if line.entry == Told.WITHDRAW:
            assert copy.withdrawal is not None
            self.add(Withdraw(line.seq, copy.withdrawal))
        elif line.entry == Told.RETRACT:
            self.add(Retract(line.seq, copy.origin, copy.rid, copy.ver))
        else:
            assert copy.jws is not None
            assert copy.vid is not None
            held = texts_held(copy)
            fields = tuple(line.fields.split(","))
            texts = tuple([held[name] for name in fields])
            self.add(Put(line.seq, copy.jws, texts, tuple(map(int, filter(None, line.hops.split(","))))))
            self.items.append(ManifestItem(vid=copy.vid.hex(), fields=fields))
            self._room -= len(copy.jws) + sum(map(len, texts))
            self._fields += len(texts)


async def _newest(tx: Reader) -> tuple[int, str]:
    """The last change to any record, and the last to any peer or circle, as one comparable value."""
    last = await tx.find(Copy, order="change_seq", descending=True, limit=1)
    phases = sorted((p.id, p.phase, p.agreement or "") for p in await tx.find(PeerRow))
    rosters = sorted((c.cid, c.seq) for c in await tx.find(CircleRow))
    holds = sorted(h.hid for h in await tx.find(HoldRow, {"lifted_at": None}))
    hides = sorted((h.id, h.seq) for h in await tx.find(HideRow, {"on": True}))
    return (last[0].change_seq if last else 0, repr((phases, rosters, holds, hides)))


async def _unacked_marks(tx: Reader, row: PeerRow) -> list[bytes]:
    if not row.mark_count:  # else all that the peer has not confirmed is looked at: on a first sync, everything
        return []
    lines = await tx.find(Custody, {"peer": row.id, "entry": Told.WITHDRAW}, above=("seq", row.acked))
    copies = await tx.get_many(Copy, [(line.copy,) for line in lines])
    return [mark_id(c.origin, c.rid) for c in copies]
