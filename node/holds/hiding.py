"""Hides on the wire: an origin's signed word that copies of its records are hidden for the time being, or shown again.

Whoever hears one tells it to all who gave it or were given copies that it covers, so that it reaches relays of relays;
also backwards, so that a node that was put back to a backup hears again what it has forgotten, even of itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from federation.documents import Verified
from federation.hides import Hide, HideScope
from governance.holds import Scope
from node.core import Core
from node.store.governing import HideRow, HoldRow
from node.store.port import Reader, Writer
from node.store.rows import Copy, Custody, Entry, Offer, PeerRow

# What one origin can make us remember. Who has more on hold than this puts everything on hold, which is one hide.
MAX_HIDES: Final = 1000
LOOKED_AT_ONCE: Final = 500
BY_RESTORE: Final = "restored"

Refused = tuple[str, str, int, str, str]  # origin, record, version, code, detail


async def sign_hide(core: Core, tx: Writer, scope: str, target: str, *, hidden: bool, above: int = 0) -> HideRow:
    """Say it to all whom it concerns; every hide of ours has a higher number than all before it."""
    mine = await tx.find(HideRow, {"origin": core.node_id})
    seq = max([above, *(h.seq for h in mine)]) + 1
    hide = Hide(iss=core.node_id, iat=core.now(), scope=HideScope(scope), target=target, seq=seq, hidden=hidden)
    row = await _store(core, tx, hide, core.sign(hide))
    await _announce(core, tx, row)
    return row


async def take_hide(core: Core, tx: Writer, verified: Verified[Hide], sender: str) -> Refused | None:
    """Keep a newer word of an origin, whoever brings it, and pass it on; answer an older one with the newer."""
    hide, token = verified.document, verified.token.decode("ascii")
    if hide.iss == core.node_id:
        await _came_back(core, tx, hide, token)
        return None
    if hide.scope is HideScope.PEER and hide.target != core.node_id:
        return None  # another node is asked
    old = await tx.get(HideRow, hide.iss, hide.scope, hide.target)
    if old is not None and old.seq >= hide.seq:
        if old.jws != token:
            await _announce(core, tx, old, only=sender)
        return None
    if old is None and not await room_for_hide(tx, hide.iss):
        return hide.iss, "", 0, "hides", f"its origin has more than {MAX_HIDES} hides"
    row = await _store(core, tx, hide, token)
    await _announce(core, tx, row, besides=sender)
    await core.audit(tx, hide.iss, "copies.hide" if hide.hidden else "copies.show", hide.target, hide.scope)
    return None


async def room_for_hide(tx: Writer, origin: str) -> bool:
    """True if one more may come from this origin; the oldest that was lifted makes way."""
    rows = await tx.find(HideRow, {"origin": origin})
    if len(rows) < MAX_HIDES:
        return True
    lifted = sorted((h for h in rows if not h.on), key=lambda h: h.seq)
    if not lifted:
        return False
    await tx.delete(Custody, {"copy": lifted[0].id, "entry": Entry.HIDE})
    await tx.delete(HideRow, {"id": lifted[0].id})
    return True


async def _store(core: Core, tx: Writer, hide: Hide, token: str) -> HideRow:
    old = await tx.get(HideRow, hide.iss, hide.scope, hide.target)
    number = old.id if old is not None else await tx.next_seq()
    row = HideRow(number, hide.iss, hide.scope, hide.target, hide.seq, hide.hidden, token, core.now())
    await tx.put(row)
    if hide.scope is HideScope.RECORD:
        await touch(tx, hide.iss, hide.target)
    return row


async def touch(tx: Writer, origin: str, rid: str) -> None:
    """Let the ledgers and the index look at a record again."""
    for copy in await tx.get_many(Copy, [(origin, rid)], by=("origin", "rid")):
        await tx.put(replace(copy, change_seq=await tx.next_seq()))


async def _came_back(core: Core, tx: Writer, hide: Hide, token: str) -> None:
    """Our own word: a later one than we remember means that we were restored, and then the hold is the safe side."""
    old = await tx.get(HideRow, core.node_id, hide.scope, hide.target)
    if old is not None and (old.seq > hide.seq or (old.seq == hide.seq and old.jws == token)):
        return
    origin = core.node_id if hide.scope is HideScope.RECORD else ""
    where = {"lifted_at": None, "scope": str(hide.scope), "target": hide.target, "origin": origin}
    held = bool(await tx.find(HoldRow, where, limit=1))
    if hide.hidden and not held:
        hid = core.new_id()
        note = "came back from a peer after this node was restored"
        await tx.put(HoldRow(hid, hide.scope, origin, hide.target, BY_RESTORE, core.now(), note))
        await core.audit(tx, BY_RESTORE, "hold.put", hide.target or "everything", hid)
        held = True
    await sign_hide(core, tx, hide.scope, hide.target, hidden=held, above=hide.seq)


# --- telling --------------------------------------------------------------------------------------------------------


async def _announce(core: Core, tx: Writer, row: HideRow, *, only: str = "", besides: str = "") -> None:
    """Put it into the feed of everybody whom it concerns, or only of the one given."""
    peers = {p.id: p for p in await tx.find(PeerRow)}
    if only:
        told = {n for n, p in peers.items() if p.node_id == only}
    else:
        told = await _concerned(core, tx, row, peers.values())
        told |= {n for n, p in peers.items() if p.node_id == besides}
    if told:
        first = await tx.next_seq(len(told))
        lines = [Custody(n, row.id, first + at, Entry.HIDE, 1, core.now()) for at, n in enumerate(sorted(told))]
        await tx.put_many(lines)


async def _concerned(core: Core, tx: Reader, row: HideRow, peers: Collection[PeerRow]) -> set[int]:
    """Peers by number: the one that is asked; or whoever gave or was given a copy, was told before, or signed it."""
    if row.scope == Scope.PEER:
        return {p.id for p in peers if p.node_id in (row.target, row.origin)}
    if row.scope != Scope.RECORD and row.origin == core.node_id:
        return {p.id for p in peers}
    out = {p.id for p in peers if p.node_id == row.origin}
    out |= {line.peer for line in await tx.find(Custody, {"copy": row.id, "entry": Entry.HIDE})}
    where = {"origin": row.origin} | ({"rid": row.target} if row.scope == Scope.RECORD else {})
    ids = [c.id for c in await tx.find(Copy, where)]
    for start in range(0, len(ids), LOOKED_AT_ONCE):
        if len(out) == len(peers):
            break
        out |= await _handlers(tx, ids[start : start + LOOKED_AT_ONCE])
    return out


async def _handlers(tx: Reader, copies: Sequence[int]) -> set[int]:
    given = {line.peer for line in await tx.find(Custody, {"copy": copies})}
    return given | {offer.peer for offer in await tx.find(Offer, {"copy": copies})}
