"""Emergency holds: one steward stops a record, a peer, a circle or everything; it acts before the request returns.

Nothing new goes out while a hold is in force, and copies that are out are asked to hide. Nothing is erased: narrowing
and withdrawal pass as ever, and once the hold is lifted all flows again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from federation.keys import encode_ed25519, identity_key_of
from governance.holds import Scope
from governance.terms import CIRCLE_PREFIX
from node.copies import Held
from node.core import Core
from node.errors import BadInput, NotFound, NotNow
from node.holds.hiding import MAX_HIDES, room_for_hide, sign_hide, touch
from node.holds.views import HoldView
from node.indexing import Indexing
from node.peers import Peers
from node.principal import Principal
from node.proposals.acts import HoldLift
from node.reading import Readings
from node.stewards import alone
from node.store.governing import HideRow, HoldRow
from node.store.port import Reader, Writer
from node.store.rows import CircleRow, Copy, Custody, Entry, PeerRow, State
from node.views import CheckView

EVERYTHING: Final = "everything"
MAX_NOTE_CHARS: Final = 500
NEXT: Final = "`commonweave hold list` shows what is on hold"
Shown = Literal["record", "peer", "circle", "all"]


@dataclass(frozen=True, slots=True)
class _Target:
    origin: str
    target: str


class Holds:
    """Use cases of stewards. What is put on hold is out of the index before the answer."""

    def __init__(self, core: Core, readings: Readings, peers: Peers, indexing: Indexing) -> None:
        self._core = core
        self._readings = readings
        self._peers = peers
        self._indexing = indexing

    async def hold(
        self, who: Principal, scope: str, target: str, note: str = "", origin: str | None = None
    ) -> HoldView:
        """Stop a record, a peer, a circle or `all`; any steward alone."""
        who.need("steward")
        if len(note) > MAX_NOTE_CHARS:
            raise BadInput(f"a note has at most {MAX_NOTE_CHARS} characters; this one has {len(note)}")
        found = await self._target(scope, target, origin)
        async with self._core.store.write() as tx:
            row = await put_hold(self._core, tx, Scope(scope), found.origin, found.target, who.actor, note)
            view = await self._view(tx, row)
        await self._follow(row)
        return view

    async def lift(self, who: Principal, hid: str) -> HoldView:
        """Let a hold go, where one steward is enough; else `Pending` says which proposal it became."""
        who.need("steward")
        async with self._core.store.read() as tx:
            hid = (await in_force(tx, hid)).hid
        by = await alone(self._core, who, HoldLift(hold=hid))
        async with self._core.store.write() as tx:
            row = await lift(self._core, tx, hid, by.actor, by.detail)
            view = await self._view(tx, row)
        await self._follow(row)
        return view

    async def health(self) -> list[CheckView]:
        """A hold is meant to be short: `doctor` names each until it is lifted."""
        async with self._core.store.read() as tx:
            rows = await tx.find(HoldRow, {"lifted_at": None}, order="at")
        return [
            CheckView(
                name="on hold",
                ok=False,
                detail=f"{_what(row)}, put there by {row.by} (hold {row.hid})",
                remedy=f"when the danger is over: commonweave hold lift {row.hid}",
            )
            for row in rows
        ]

    async def list(self, who: Principal, *, every: bool = False) -> Sequence[HoldView]:
        """The holds in force and what origins ask to hide, newest first; `every`: lifted ones of ours too."""
        who.need("write")
        async with self._core.store.read() as tx:
            rows = await tx.find(HoldRow) if every else await tx.find(HoldRow, {"lifted_at": None})
            asked = [h for h in await tx.find(HideRow, {"on": True}) if h.origin != self._core.node_id]
            views = [await self._view(tx, row) for row in rows]
            views += [await self._asked(tx, row) for row in asked]
        return sorted(views, key=lambda v: v.at, reverse=True)

    async def _follow(self, row: HoldRow) -> None:
        self._core.bell.ring()
        if row.scope != Scope.PEER:
            await self._indexing.stopped(broadly=row.scope != Scope.RECORD)

    async def _target(self, scope: str, ref: str, origin: str | None) -> _Target:
        match scope:
            case Scope.RECORD:
                return _Target(
                    *await self._readings.resolve(ref, origin)
                )  # a danger may be in what no steward may read
            case Scope.PEER:
                return _Target("", (await self._peers.find(ref)).node_id)
            case Scope.CIRCLE:
                return _Target("", await self._circle(ref))
            case Scope.ALL:
                return _Target("", "")
            case _:
                raise BadInput(f"{scope!r} cannot be put on hold: say record, peer, circle or all")

    async def _circle(self, ref: str) -> str:
        name = ref.removeprefix(CIRCLE_PREFIX)
        async with self._core.store.read() as tx:
            known = [c.cid for c in await tx.find(CircleRow)]
        own = f"{encode_ed25519(identity_key_of(self._core.node_id))}.{name}"
        found = [c for c in known if c in (name, own)] or [c for c in known if c.rpartition(".")[2] == name]
        if len(found) != 1:
            many = "fits more than one circle" if found else "is no circle that is known here"
            raise NotFound(f"{ref!r} {many}; `circle list` shows them with their whole ids")
        return found[0]

    async def _view(self, tx: Reader, row: HoldRow) -> HoldView:
        origin = self._core.node_id if row.scope != Scope.RECORD else row.origin
        hide = await tx.get(HideRow, origin, row.scope, row.target) if origin == self._core.node_id else None
        lines = await tx.find(Custody, {"copy": hide.id, "entry": Entry.HIDE}) if hide is not None else []
        peers = {p.id: p.acked for p in await tx.get_many(PeerRow, [(line.peer,) for line in lines])}
        return HoldView(
            hid=row.hid,
            scope=cast(Shown, row.scope),
            target=row.target,
            origin=row.origin,
            name=await self._name(tx, row.scope, row.origin, row.target),
            by=row.by,
            at=row.at,
            note=row.note,
            lifted_at=row.lifted_at,
            lifted_by=row.lifted_by,
            asked=False,
            told=len(lines),
            reached=sum(line.seq <= peers.get(line.peer, 0) for line in lines),
        )

    async def _asked(self, tx: Reader, row: HideRow) -> HoldView:
        scope = Scope.ALL if row.scope == Scope.PEER else Scope(row.scope)
        name = (await self._readings.names(tx, [row.origin])).get(row.origin, row.origin)
        if scope is not Scope.ALL:
            name = f"{await self._name(tx, scope, row.origin, row.target)} ({name})"
        return HoldView(
            hid="",
            scope=scope.value,
            target=row.target,
            origin=row.origin,
            name=name,
            by=row.origin,
            at=row.at,
            note="",
            lifted_at=None,
            lifted_by="",
            asked=True,
            told=0,
            reached=0,
        )

    async def _name(self, tx: Reader, scope: str, origin: str, target: str) -> str:
        if scope == Scope.PEER:
            return (await self._readings.names(tx, [target])).get(target, target)
        if scope != Scope.RECORD:
            return target.rpartition(".")[2] or EVERYTHING
        rows = await tx.get_many(Copy, [(origin, target)], by=("origin", "rid"))
        return Held.read(rows[0]).title if rows and rows[0].state == State.LIVE else target


# --- inside a transaction -------------------------------------------------------------------------------------------


async def put_hold(core: Core, tx: Writer, scope: Scope, origin: str, target: str, actor: str, note: str) -> HoldRow:
    """Put a hold in force; what is ours and out already is asked to hide. `NotNow` if there is such a hold."""
    where = {"lifted_at": None, "scope": scope.value, "origin": origin, "target": target}
    if found := await tx.find(HoldRow, where, limit=1):
        raise NotNow(f"that is on hold already, since {found[0].by} put it there (hold {found[0].hid})")
    row = HoldRow(core.new_id(), scope, origin, target, actor, core.now(), note)
    known = await tx.get(HideRow, core.node_id, scope, target)
    if _is_ours(core, row) and known is None and not await room_for_hide(tx, core.node_id):
        raise NotNow(f"{MAX_HIDES} things are on hold, and peers remember no more: put everything on hold instead")
    await tx.put(row)
    await _tell(core, tx, row, hidden=True)
    await core.audit(tx, actor, "hold.put", target or EVERYTHING, f"{scope} {row.hid}")
    return row


async def lift(core: Core, tx: Writer, hid: str, actor: str, detail: str = "") -> HoldRow:
    """Let a hold go in this transaction; whoever calls rings the bell after it. `NotFound` if it is not in force."""
    row = replace(await in_force(tx, hid), lifted_at=core.now(), lifted_by=actor)
    await tx.put(row)
    await _tell(core, tx, row, hidden=False)
    said = ", ".join(filter(None, (f"{row.scope} {row.hid}", detail)))
    await core.audit(tx, actor, "hold.lift", row.target or EVERYTHING, said)
    return row


async def in_force(tx: Reader, hid: str) -> HoldRow:
    """A hold by its id or the beginning of it."""
    rows = [r for r in await tx.find(HoldRow, {"lifted_at": None}) if hid and r.hid.startswith(hid)]
    if len(rows) != 1:
        raise NotFound(f"{hid!r} names {'more than one hold' if rows else 'no hold that is in force'}; {NEXT}")
    return rows[0]


async def hide_here(core: Core, tx: Writer, origin: str, rid: str, actor: str, note: str) -> str:
    """Hide one record here, and pass it on to nobody; its id. One of another origin is asked of nobody else."""
    where = {"lifted_at": None, "scope": Scope.RECORD.value, "origin": origin, "target": rid}
    if found := await tx.find(HoldRow, where, limit=1):
        return found[0].hid
    return (await put_hold(core, tx, Scope.RECORD, origin, rid, actor, note)).hid


async def _tell(core: Core, tx: Writer, row: HoldRow, *, hidden: bool) -> None:
    if _is_ours(core, row):
        await sign_hide(core, tx, row.scope, row.target, hidden=hidden)
    elif row.scope == Scope.RECORD:
        await touch(tx, row.origin, row.target)


def _is_ours(core: Core, row: HoldRow) -> bool:
    """Only the origin may ask others to hide: our own records, those for a circle, at a peer, or all."""
    return row.scope != Scope.RECORD or row.origin == core.node_id


async def notices(tx: Reader) -> list[str]:
    """What is on hold, without naming it, in words that nobody overlooks; for `status`."""
    scopes = Counter(row.scope for row in await tx.find(HoldRow, {"lifted_at": None}))
    if not scopes:
        return []
    if Scope.ALL in scopes:
        return [f"ON HOLD: EVERYTHING. Nothing new leaves this node; {NEXT}."]
    return [f"ON HOLD: {', '.join(f'{scope} ({n})' for scope, n in sorted(scopes.items()))}; {NEXT}."]


def _what(row: HoldRow) -> str:
    return EVERYTHING.upper() if row.scope == Scope.ALL else f"{row.scope} {row.target}"
