"""One page's worth of received copies inside a transaction: what to keep, what to replace, what to clear away.

A copy is held while some peer offers it. A newer version replaces an older one whoever brings it; an older one is
never taken; a withdrawn one never comes back (invariant 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.documents import ItemState, ReceiptItem, Verified, Withdrawal
from federation.envelope import VerifiedEnvelope, redact
from federation.messages import Retract
from federation.negentropy import Item
from governance.admission import Admission, NotAdmitted, right_to_pass
from governance.agreement import Phase, keeps_copies
from governance.errors import RecordError
from governance.record import check_field
from governance.terms import Terms
from node.copies import Held, emptied, references, replaced, row_of, value_in, with_fields
from node.core import Core
from node.erasure import schedule_erasure
from node.fingerprint import Fingerprint, order_key
from node.peerbook import KnownPeer, Situation
from node.sealing import clear_record
from node.store.port import Reader, Writer
from node.store.row import Row
from node.store.rows import AttachmentRef, Copy, Custody, Entry, LinkRow, Offer, PeerRow, State
from node.support import MAX_HOPS, note_ended

NUMBERS_AT_ONCE: Final = 256  # gaps in the sequence cost nothing


LATER: Final = ("stale", "conflict")  # refusals that say: another version is known here


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that was not taken. `hostile` ones lower the peer's standing."""

    origin: str
    rid: str
    ver: int
    code: str
    detail: str
    hostile: bool = False


class Shelf:
    """Made by `open`, finished by `close`, which writes everything and returns the peer's new row."""

    def __init__(self, core: Core, tx: Writer, peer: KnownPeer, situation: Situation, admission: Admission) -> None:
        self._core = core
        self._tx = tx
        self._peer = peer
        self._situation = situation
        self._admission = admission
        self._copies: dict[tuple[str, str], Copy] = {}
        self._offers: dict[int, dict[int, Offer]] = {}
        self._changed: dict[int, Copy] = {}
        self._refer: dict[int, Sequence[Row]] = {}
        self._new: set[int] = set()
        self._added: list[Offer] = []
        self._removed: list[Offer] = []
        self._bytes = peer.row.offer_bytes
        self._numbers = range(0)
        self.taken: dict[str, list[ReceiptItem]] = {}
        self.left_out: list[Refusal] = []
        self.newer: list[str] = []
        self._owed: list[tuple[str, str]] = []

    @staticmethod
    async def open(
        core: Core,
        tx: Writer,
        peer: KnownPeer,
        situation: Situation,
        admission: Admission,
        values: Iterable[object],
    ) -> Shelf:
        """A shelf with the rows that these values will touch."""
        shelf = Shelf(core, tx, peer, situation, admission)
        keys = dict.fromkeys(k for v in values if (k := _key(v)) is not None)
        for copy in await tx.get_many(Copy, list(keys), by=("origin", "rid")):
            shelf._copies[copy.origin, copy.rid] = copy
        ids = [c.id for c in shelf._copies.values()]
        for offer in await tx.find(Offer, {"copy": ids}) if ids else ():
            shelf._offers.setdefault(offer.copy, {})[offer.peer] = offer
        return shelf

    @staticmethod
    async def items(tx: Reader, peer_id: int) -> list[Item]:
        """What a peer offers us, as items to reconcile."""
        return [(order_key(o.iat), o.copy_id) for o in await tx.find(Offer, {"peer": peer_id})]

    async def _number(self) -> int:
        """The next number of the sequence; drawn in blocks, since a page needs two for every record."""
        if not self._numbers:
            first = await self._tx.next_seq(NUMBERS_AT_ONCE)
            self._numbers = range(first, first + NUMBERS_AT_ONCE)
        number, self._numbers = self._numbers[0], self._numbers[1:]
        return number

    # --- put -------------------------------------------------------------------------------------------------------

    async def put(self, envelope: VerifiedEnvelope, phase: Phase, hops: Mapping[str, int]) -> Refusal | None:
        """Take a copy, or say why not. `hops` are the lines each field has crossed; one where it does not say.

        Fields that have ended, or that the peer had no right to pass, are left out; the latter are in `left_out`.
        """
        row = self._copies.get((envelope.iss, envelope.rid))
        refusal = self._inadmissible(envelope, row, phase)
        if refusal is not None:
            return refusal
        now = self._situation.now
        fewest = 1 if envelope.iss == self._peer.node_id else 2  # a holder cannot stand where the origin stands
        crossed = {n: max(hops.get(n, 1), fewest) for n in envelope.texts}
        if max(crossed.values()) > MAX_HOPS:
            return Refusal(envelope.iss, envelope.rid, envelope.ver, "hops", f"it came over more than {MAX_HOPS} lines")
        barred = self._barred(envelope)
        sent = redact(envelope, [n for n in envelope.texts if n not in barred]) if barred else envelope
        fields = [n for n in sent.texts if not sent.field_terms[n].ended(now)]
        base = row or await self._new_row(envelope)
        await self._shelve(base, sent, redact(sent, fields), crossed)
        return None

    def _inadmissible(self, envelope: VerifiedEnvelope, row: Copy | None, phase: Phase) -> Refusal | None:
        for check in (self._bars_sender, self._bars_version, self._bars_content):
            found = check(envelope, row, phase)
            if found is not None:
                code, detail, hostile = found
                # A later version is named, so that an origin that lost it goes on above it.
                ver = row.ver if row is not None and code in LATER else envelope.ver
                return Refusal(envelope.iss, envelope.rid, ver, code, detail, hostile)
        return None

    def _bars_sender(self, envelope: VerifiedEnvelope, row: Copy | None, phase: Phase) -> tuple[str, str, bool] | None:
        if phase is not Phase.ACTIVE and not self._narrows(envelope, row, phase):
            return NotAdmitted.PHASE, f"the agreement with this peer is {phase}", False
        if envelope.iss == self._core.node_id:
            return "own", "a record of ours does not come back to us", False
        size = _size(envelope)
        bar = self._admission.refuses(envelope.kind, envelope.lang, envelope.iss, size, self._bytes)
        if bar is not None:
            return bar, f"{envelope.kind} in {envelope.lang}, {size} bytes", False
        problem = self._no_right(envelope.field_terms["title"], envelope.iss)
        return None if problem is None else (problem, _for_whom("title", envelope.field_terms["title"]), True)

    def _barred(self, envelope: VerifiedEnvelope) -> set[str]:
        """The fields that the peer had no right to pass to us; the title is judged before."""
        barred: set[str] = set()
        judged: dict[Terms, NotAdmitted | None] = {}
        for name in envelope.texts:
            terms = envelope.field_terms[name]
            if terms not in judged:
                judged[terms] = self._no_right(terms, envelope.iss)
            problem = judged[terms]
            if problem is not None:
                barred.add(name)
                detail = _for_whom(name, terms)
                self.left_out.append(Refusal(envelope.iss, envelope.rid, envelope.ver, problem, detail, hostile=True))
        return barred

    def _narrows(self, envelope: VerifiedEnvelope, row: Copy | None, phase: Phase) -> bool:
        """True for fewer fields, and nothing new in them, of what an ended agreement lets us keep."""
        mine = self._offers.get(row.id, {}).get(self._peer.row.id) if row is not None else None
        if mine is None or row is None or row.state != State.LIVE or not keeps_copies(phase, self._peer.clauses):
            return False
        held = Held.read(row)
        had = held.texts.keys() & set(mine.fields.split(","))
        return all(n in had and held.value(n) == value for n, value in envelope.disclosed.items())

    def _no_right(self, terms: Terms, origin: str) -> NotAdmitted | None:
        return right_to_pass(
            terms,
            origin=origin,
            sender=self._peer.node_id,
            receiver=self._core.node_id,
            rosters=self._situation.rosters,
        )

    def _bars_version(
        self, envelope: VerifiedEnvelope, row: Copy | None, _phase: Phase
    ) -> tuple[str, str, bool] | None:
        if row is None:
            return None
        if row.state == State.WITHDRAWN:
            return "withdrawn", "its origin has withdrawn it", False
        if envelope.ver < row.ver:
            self._show_later(row)
            return "stale", f"version {row.ver} is known here", False
        if envelope.ver == row.ver and row.vid is not None and row.vid.hex() != envelope.vid:
            self._changed[row.id] = self._copies[row.origin, row.rid] = replace(row, conflict=True)
            self._show_later(row)
            return "conflict", f"its origin signed two different versions {envelope.ver}", True
        return None

    def _show_later(self, row: Copy) -> None:
        if row.jws is not None and row.origin == self._peer.node_id:
            self.newer.append(row.jws)

    def _bars_content(
        self, envelope: VerifiedEnvelope, _row: Copy | None, _phase: Phase
    ) -> tuple[str, str, bool] | None:
        if envelope.field_terms["title"].ended(self._situation.now):
            return "ended", "the permission to hold it has ended", False
        try:
            for name, value in envelope.disclosed.items():
                check_field(envelope.kind, name, value)
        except RecordError as error:
            return "field", str(error), True
        return None

    async def _new_row(self, envelope: VerifiedEnvelope) -> Copy:
        number = await self._number()
        self._new.add(number)
        return Copy(number, envelope.iss, envelope.rid, False, State.ERASED, 0, number)

    async def _shelve(
        self, base: Copy, sent: VerifiedEnvelope, offered: VerifiedEnvelope, crossed: Mapping[str, int]
    ) -> None:
        """Record the peer's offer, and hold the union of what all peers offer of this version.

        The offer goes by the id of the copy as it was sent, so that both sides count the same one; what has ended by
        our own clock is not held all the same.
        """
        peer_id = self._peer.row.id
        offers = self._offers.setdefault(base.id, {})
        copy_id = bytes.fromhex(sent.copy_id)
        before = offers.get(peer_id)
        same_version = base.state == State.LIVE and base.vid is not None and base.vid.hex() == offered.vid
        hops = ",".join(str(crossed[n]) for n in offered.texts)
        if len(offered.texts) < len(sent.texts):
            await note_ended(self._tx, self._situation.now)
        same = (copy_id, ",".join(offered.texts), hops)
        if same_version and before is not None and (before.copy_id, before.fields, before.hops) == same:
            self._note(base)
            return
        if not same_version:
            self._remove(*offers.values())
            offers.clear()
        elif before is not None:
            self._remove(before)
        offers[peer_id] = Offer(peer_id, base.id, offered.ver, copy_id, offered.iat, same[1], _size(offered), hops)
        self._added.append(offers[peer_id])
        self._bytes += offers[peer_id].size
        keep = self._others(base, offers) if same_version else {}
        lost = set(Held.read(base).texts) - keep.keys() - offered.texts.keys() if base.state == State.LIVE else set()
        if lost:
            await schedule_erasure(self._core, self._tx, base, receipt=False, fields=lost)
        elif base.state == State.LIVE and not same_version and replaced(base, offered.disclosed):
            await schedule_erasure(self._core, self._tx, base, receipt=False, fields=(), at_rest=True)
        seq = await self._number()
        row = row_of(offered, replace(base, via=peer_id), keep=keep, change_seq=seq, now=self._situation.now)
        self._set(row, references(row, {n: value_in(text) for n, text in keep.items()} | dict(offered.disclosed)))
        self._note(row)

    def _others(self, base: Copy, offers: Mapping[int, Offer]) -> dict[str, str]:
        """The texts held of this version that other peers offer."""
        names = {n for p, o in offers.items() if p != self._peer.row.id for n in o.fields.split(",")}
        return {n: text for n, text in Held.read(base).texts.items() if n in names} if names else {}

    def _note(self, row: Copy) -> None:
        assert row.copy_id is not None
        item = ReceiptItem(rid=row.rid, ver=row.ver, copy_id=row.copy_id.hex(), state=ItemState.HELD)
        self.taken.setdefault(row.origin, []).append(item)

    # --- taking away -----------------------------------------------------------------------------------------------

    async def retract(self, entry: Retract) -> Refusal | None:
        """The peer does not offer a record any more; from its origin this also says which version was the last."""
        row = self._copies.get((entry.origin, entry.rid))
        from_origin = entry.origin == self._peer.node_id
        if row is None:
            return None
        if from_origin and row.ver < entry.ver and row.state != State.WITHDRAWN:
            await self._supersede(row, entry.ver)
        elif from_origin and row.state == State.ERASED:
            # It went earlier, at the end of its terms: the origin hears that in answer to its own word too.
            await schedule_erasure(self._core, self._tx, row, receipt=True)
        else:
            await self._give_up(row)
        return None

    async def _supersede(self, row: Copy, ver: int) -> None:
        """There is a later version that is not for us: nothing that anybody else offers of an older one stays."""
        self._remove(*self._offers.pop(row.id, {}).values())
        if row.state == State.LIVE:
            await schedule_erasure(self._core, self._tx, row, receipt=True)
        self._set(emptied(row, State.ERASED, await self._number(), ver=ver, vid=None))

    async def drop(self, copy_id: bytes) -> None:
        """The same for a copy that only its id names."""
        for offer in await self._tx.find(Offer, {"peer": self._peer.row.id, "copy_id": copy_id}):
            row = await self._tx.get(Copy, offer.copy)
            if row is not None:
                self._copies.setdefault((row.origin, row.rid), row)
                if row.id not in self._offers:
                    others = await self._tx.find(Offer, {"copy": row.id})
                    self._offers[row.id] = {o.peer: o for o in others if o not in self._removed}
                await self._give_up(self._copies[row.origin, row.rid])

    async def _give_up(self, row: Copy) -> None:
        offers = self._offers.get(row.id, {})
        mine = offers.pop(self._peer.row.id, None)
        if mine is None:
            return
        self._remove(mine)
        if row.state != State.LIVE:
            return
        held = Held.read(row)
        left = {n for o in offers.values() for n in o.fields.split(",")} & held.texts.keys()
        await self._shrink(held, left)

    async def _shrink(self, held: Held, left: set[str]) -> None:
        gone = held.texts.keys() - left
        if not gone:  # what peers are told of it may change all the same: how far it has come
            self._set(replace(held.row, change_seq=await self._number()))
            return
        whole = "title" not in left
        await schedule_erasure(self._core, self._tx, held.row, receipt=whole, fields=None if whole else gone)
        self._set(with_fields(held, left, await self._number(), self._situation.now))

    async def withdraw(self, verified: Verified[Withdrawal]) -> Refusal | None:
        """Apply the origin's instruction, whoever relays it; the marker is kept even for a record never seen."""
        document = verified.document
        row = self._copies.get((document.iss, document.rid))
        if document.iss == self._peer.node_id and _never_held(row):
            self._owed.append((document.iss, document.rid))  # the origin counts on us: it may have sent it meanwhile
        if row is not None and row.state == State.WITHDRAWN:
            if document.relay and not row.relay:
                row = replace(row, relay=True, withdrawal=verified.token.decode("ascii"))
                self._set(replace(row, change_seq=await self._number()))
            await self._peer_knows(row)
            return None
        own = document.iss == self._core.node_id
        if row is None:
            number = await self._number()
            row = Copy(number, document.iss, document.rid, own, State.ERASED, document.ver, number)
        elif own and row.state == State.LIVE:
            # We were restored from a backup made before our own withdrawal: it holds against us too.
            await clear_record(self._core, self._tx, row)
        else:
            await schedule_erasure(self._core, self._tx, row, receipt=not own)
        self._remove(*self._offers.pop(row.id, {}).values())
        mark = emptied(
            row,
            State.WITHDRAWN,
            await self._number(),
            withdrawal=verified.token.decode("ascii"),
            reason=document.reason,
            relay=document.relay,
            via=row.via or self._peer.row.id,
            ver=max(row.ver, document.ver),
        )
        self._set(mark)
        await self._peer_knows(mark)
        return None

    async def _peer_knows(self, row: Copy) -> None:
        """The peer has shown us a marker: it belongs to those we have in common, whatever we remember having sent."""
        line = await self._tx.get(Custody, self._peer.row.id, row.id)
        if row.relay or row.origin == self._peer.node_id or (line is not None and line.told):
            return
        known = line or Custody(
            self._peer.row.id, row.id, await self._number(), Entry.RETRACT, row.ver, self._situation.now
        )
        await self._tx.put(replace(known, told=True))
        self._set(replace(self._copies[row.origin, row.rid], change_seq=await self._number()))

    # --- writing ---------------------------------------------------------------------------------------------------

    def _set(self, row: Copy, refers: Sequence[Row] | None = None) -> None:
        self._copies[row.origin, row.rid] = row
        self._changed[row.id] = row
        if refers is not None:
            self._refer[row.id] = refers

    def _remove(self, *offers: Offer) -> None:
        for offer in offers:
            if offer in self._added:
                self._added.remove(offer)
            else:
                self._removed.append(offer)
            if offer.peer == self._peer.row.id:
                self._bytes -= offer.size

    async def close(self) -> PeerRow:
        """Write what changed; the peer's row with its new fingerprint, not yet written."""
        tx = self._tx
        for offer in self._removed:
            await tx.delete(Offer, {"peer": offer.peer, "copy": offer.copy})
        await tx.put_many(list(self._changed.values()))
        await tx.put_many(self._added)
        stale = [i for i in self._refer if i not in self._new]
        if stale:
            await tx.delete(AttachmentRef, {"copy": stale})
            await tx.delete(LinkRow, {"copy": stale})
        await tx.put(*[row for rows in self._refer.values() for row in rows])
        for key in self._owed:
            await schedule_erasure(self._core, tx, self._copies[key], receipt=True)
        return await self._fingerprints()

    async def _fingerprints(self) -> PeerRow:
        touched = {o.peer for o in (*self._added, *self._removed)} - {self._peer.row.id}
        others = await self._tx.get_many(PeerRow, [(p,) for p in touched])
        for other in others:
            await self._tx.put(self._counted(other))
        return self._counted(self._peer.row)

    def _counted(self, row: PeerRow) -> PeerRow:
        total = Fingerprint.of(row.offer_count, row.offer_sum)
        total.remove(*[o.copy_id for o in self._removed if o.peer == row.id])
        total.add(*[o.copy_id for o in self._added if o.peer == row.id])
        size = sum(o.size for o in self._added if o.peer == row.id)
        size -= sum(o.size for o in self._removed if o.peer == row.id)
        return replace(row, offer_count=total.count, offer_sum=total.bytes, offer_bytes=max(row.offer_bytes + size, 0))


def _key(value: object) -> tuple[str, str] | None:
    match value:
        case VerifiedEnvelope():
            return value.iss, value.rid
        case Retract():
            return value.origin, value.rid
        case Verified(document=Withdrawal() as document):
            return document.iss, document.rid
        case _:
            return None


def _never_held(row: Copy | None) -> bool:
    """True if nothing of the record was ever here, so that no erasure will confirm its withdrawal."""
    return row is None or (row.state == State.WITHDRAWN and row.vid is None)


def _for_whom(name: str, terms: Terms) -> str:
    return f"the terms of {name} are for {', '.join(sorted(terms.audiences))}"


def _size(envelope: VerifiedEnvelope) -> int:
    return len(envelope.jws) + sum(map(len, envelope.texts.values()))
