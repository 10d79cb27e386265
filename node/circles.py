"""Circles: named groups of nodes with a roster that only their owner signs; rosters travel in the feed (DESIGN 8)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace

from federation.documents import Roster, Verified
from federation.keys import DID_PREFIX, encode_ed25519, identity_key_of
from governance.admission import may_hold
from governance.terms import CIRCLE_PREFIX, circle_id, is_circle_id
from node.copies import Held, with_fields
from node.core import Core
from node.erasure import schedule_erasure
from node.errors import BadInput, NotFound
from node.fingerprint import Fingerprint
from node.peer_views import CircleView
from node.principal import Principal
from node.proposals.acts import CircleChange, CircleCreate
from node.stewards import By, alone
from node.store.port import Reader, Writer
from node.store.rows import CircleRow, Copy, Custody, Entry, Offer, PeerRow, State
from node.support import hops_of, note_ended


class Circles:
    """Use cases of circles' owners."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def create(self, who: Principal, slug: str, members: Collection[str]) -> CircleView:
        """A new circle; its id names this node, so only this node can change it. Members are node ids."""
        who.need("steward")
        async with self._core.store.read() as tx:
            await self.check_new(tx, slug)
        by = await alone(self._core, who, CircleCreate(slug=slug, members=tuple(members)))
        async with self._core.store.write() as tx:
            view = await self.create_in(tx, slug, members, by)
        self._core.bell.ring()
        return view

    async def check_new(self, tx: Reader, slug: str) -> str:
        """The id of a circle that can be made; `BadInput` if its name is none or is taken."""
        cid = f"{encode_ed25519(identity_key_of(self._core.node_id))}.{slug}"
        if not is_circle_id(cid):
            raise BadInput(f"circle name {slug!r}: use 1 to 64 lower-case letters, digits and hyphens")
        if await tx.get(CircleRow, cid):
            raise BadInput(f"there is a circle {slug!r} already: add members to it")
        return cid

    async def create_in(self, tx: Writer, slug: str, members: Collection[str], by: By) -> CircleView:
        """Make it in this transaction."""
        return await self._sign(tx, by, await self.check_new(tx, slug), sorted(set(members)), None)

    async def change(
        self, who: Principal, ref: str, *, add: Collection[str] = (), remove: Collection[str] = ()
    ) -> CircleView:
        """Add and remove members; a removed one loses what it holds through the circle, wherever it came from."""
        who.need("steward")
        async with self._core.store.read() as tx:
            cid = (await self.own(tx, ref)).cid
        by = await alone(self._core, who, CircleChange(circle=cid, add=tuple(add), remove=tuple(remove)))
        async with self._core.store.write() as tx:
            view = await self.change_in(tx, cid, add, remove, by)
        self._core.bell.ring()
        return view

    async def change_in(
        self, tx: Writer, ref: str, add: Collection[str], remove: Collection[str], by: By
    ) -> CircleView:
        """Change it in this transaction."""
        row = await self.own(tx, ref)
        members = (set(json.loads(row.members)) | set(add)) - set(remove)
        return await self._sign(tx, by, row.cid, sorted(members), row)

    async def list(self, who: Principal) -> Sequence[CircleView]:
        """Every circle known here."""
        who.need("write")
        async with self._core.store.read() as tx:
            return [self._view(row) for row in await tx.find(CircleRow)]

    async def own(self, tx: Reader, ref: str) -> CircleRow:
        """A circle of ours, by id or name."""
        name = ref.removeprefix(CIRCLE_PREFIX)
        rows = [r for r in await tx.find(CircleRow) if name in (r.cid, r.cid.rpartition(".")[2])]
        own = [r for r in rows if self._view(r).own]
        if not own:
            raise NotFound(f"no circle {ref!r} of this node; `circle list` shows the ones there are")
        return own[0]

    def _view(self, row: CircleRow) -> CircleView:
        own = self._core.node_id.endswith(row.cid.partition(".")[0])
        return CircleView(
            cid=row.cid,
            audience=CIRCLE_PREFIX + row.cid,
            own=own,
            seq=row.seq,
            members=json.loads(row.members),
        )

    async def _sign(self, tx: Writer, by: By, cid: str, members: Sequence[str], old: CircleRow | None) -> CircleView:
        seq = old.seq + 1 if old else 1
        roster = Roster(iss=self._core.node_id, iat=self._core.now(), circle=cid, seq=seq, members=tuple(members))
        row = await _store(tx, cid, seq, members, self._core.sign(roster), old)
        await announce(tx, row, self._core)
        detail = ", ".join(filter(None, (f"{len(members)} members", by.detail)))
        await self._core.audit(tx, by.actor, "circle.roster", cid, detail)
        return self._view(row)


async def _store(
    tx: Writer, cid: str, seq: int, members: Collection[str], token: str, old: CircleRow | None
) -> CircleRow:
    former = set(json.loads(old.former)) | set(json.loads(old.members)) - set(members) if old else set()
    number = old.id if old else await tx.next_seq()
    row = CircleRow(cid, number, seq, json.dumps(sorted(members)), token, json.dumps(sorted(former - set(members))))
    await tx.put(row)
    return row


def circle_owner(cid: str) -> str:
    """The node that a circle's id names."""
    return DID_PREFIX + cid.partition(".")[0]


async def announce(tx: Writer, row: CircleRow, core: Core, to: str = "") -> None:
    """Put the roster into the feed of every peer that is or was a member, or only of the one given."""
    concerned = {to} if to else set(json.loads(row.members)) | set(json.loads(row.former))
    peers = await tx.get_many(PeerRow, [(n,) for n in concerned if n != core.node_id], by=("node_id",))
    if peers:
        first = await tx.next_seq(len(peers))
        await tx.put_many(
            [Custody(p.id, row.id, first + n, Entry.ROSTER, row.seq, core.now()) for n, p in enumerate(peers)]
        )


async def take_roster(core: Core, tx: Writer, verified: Verified[Roster], sender: str) -> None:
    """Keep a newer roster, pass it on, and give up what we may no longer hold because of it.

    An older one from its own owner is answered with the newer: the owner was restored from a backup.
    """
    document = verified.document
    old = await tx.get(CircleRow, document.circle)
    token = verified.token.decode("ascii")
    if document.iss == core.node_id:
        if old is None or old.seq < document.seq or (old.seq == document.seq and old.roster != token):
            await _outrun(core, tx, verified, old)
        return
    if old is not None and old.seq >= document.seq:
        if document.iss == sender and old.roster != token:
            await announce(tx, old, core, to=sender)
        return
    row = await _store(tx, document.circle, document.seq, document.members, token, old)
    await announce(tx, row, core)
    was_in = old is not None and core.node_id in json.loads(old.members)
    if was_in and core.node_id not in document.members:
        await _leave(core, tx, document.circle)


async def _outrun(core: Core, tx: Writer, verified: Verified[Roster], old: CircleRow | None) -> None:
    """Our own later roster comes back: go on above it, with those whom both name; leaving out is the safe side."""
    document = verified.document
    members = set(document.members) & set(json.loads(old.members)) if old else set(document.members)
    roster = Roster(
        iss=core.node_id, iat=core.now(), circle=document.circle, seq=document.seq + 1, members=tuple(sorted(members))
    )
    row = await _store(tx, roster.circle, roster.seq, {*document.members, *roster.members}, "", old)
    row = await _store(tx, roster.circle, roster.seq, roster.members, core.sign(roster), row)
    await announce(tx, row, core)


async def _leave(core: Core, tx: Writer, cid: str) -> None:
    """We are no longer in the circle: received fields that are for it go."""
    for row in await tx.find(Copy, {"state": State.LIVE, "own": False}):
        held = Held.read(row)
        if any(circle_id(a) == cid for t in held.held_terms.values() for a in t.audiences):
            await drop_unheld(core, tx, held)


async def drop_unheld(core: Core, tx: Writer, held: Held) -> None:
    """Give up the fields of a received copy that we may not hold any more: their terms or our membership ended."""
    situation = await core.situation(tx)
    left = {n for n, t in held.held_terms.items() if may_hold(t, core.node_id, situation.rosters, situation.now)}
    gone = held.texts.keys() - left
    if not gone:
        return
    whole = "title" in gone
    await schedule_erasure(core, tx, held.row, receipt=whole, fields=None if whole else gone)
    await tx.put(with_fields(held, left, await tx.next_seq(), situation.now))
    by_time = all(held.terms[n].ended(situation.now) for n in gone)
    if by_time:
        await note_ended(tx, situation.now)
    await _narrow_offers(tx, held, gone, whole=whole, by_time=by_time)


async def _narrow_offers(tx: Writer, held: Held, gone: Collection[str], *, whole: bool, by_time: bool) -> None:
    """Count what peers offer as what is left of it here, so that a field we may have again is missed and sent again.

    What has ended is not missed: a peer whose clock is behind ours offers it for a while yet (see `node.support`).
    """
    for offer in await tx.find(Offer, {"copy": held.row.id}):
        crossed = {n: h for n, h in hops_of(offer).items() if n not in gone}
        if not whole and len(crossed) == len(hops_of(offer)):
            continue
        peer = await tx.get(PeerRow, offer.peer)
        assert peer is not None
        total = Fingerprint.of(peer.offer_count, peer.offer_sum)
        total.remove(offer.copy_id)
        if whole:
            await tx.delete(Offer, {"peer": offer.peer, "copy": offer.copy})
        else:
            copy_id = offer.copy_id if by_time else held.copy_id(crossed)
            total.add(copy_id)
            hops = ",".join(map(str, crossed.values()))
            await tx.put(replace(offer, copy_id=copy_id, fields=",".join(crossed), hops=hops))
        freed = offer.size if whole else 0
        await tx.put(
            replace(peer, offer_count=total.count, offer_sum=total.bytes, offer_bytes=max(peer.offer_bytes - freed, 0))
        )
