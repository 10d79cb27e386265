"""The receiving side: verify a page, admit each entry, store the page whole, and say what became of it.

The peer is hostile until verified. A bad entry is quarantined with its reason and never blocks the ones behind it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from federation import jws
from federation.documents import (
    Manifest,
    Receipt,
    ReceiptItem,
    Roster,
    Verified,
    Withdrawal,
    verify_document,
)
from federation.effects import Behind, MarkSwap
from federation.encoding import b64url_decode, dumps_text
from federation.envelope import VerifiedEnvelope, verify
from federation.errors import Code, PeerError
from federation.hides import Hide
from federation.identity import KeyHistory, Role, verify_history
from federation.jws import Typ
from federation.keys import split_kid
from federation.messages import Ack, Circle, Drop, Entry, Hiding, Page, Put, Refused, Retract, Withdraw
from federation.negentropy import Item
from governance.admission import Admission, NotAdmitted
from governance.agreement import Phase
from node.circles import take_roster
from node.core import Core
from node.erasure import confirmable, send_towards
from node.errors import NotFound
from node.holds.hiding import take_hide
from node.peerbook import known_origins, read_history, renewed, write_history
from node.shelf import Refusal, Shelf
from node.store.port import Reader, Writer
from node.store.rows import OriginRow, PeerRow, Quarantined

MAX_QUARANTINE: Final = 10_000  # the newest refusals; older ones have been told to their senders long ago
MAX_NEWER: Final = 500

Checked = VerifiedEnvelope | Verified[Withdrawal] | Verified[Roster] | Verified[Hide] | Retract | Drop | PeerError


class Intake:
    """What arrives from peers. All methods take a peer's number."""

    def __init__(self, core: Core, admission: Admission) -> None:
        self._core = core
        self._admission = admission

    async def take(self, peer_id: int, page: Page) -> Ack | Behind:
        """A page of a peer's feed: whole or not at all. `PeerError` if its manifest is not of what it brings."""
        async with self._core.store.read() as tx:
            sender = (await self._row(tx, peer_id)).node_id
            histories = await self._histories(tx, peer_id, page)
        checked = await asyncio.to_thread(_check_page, page, histories, (sender, self._core.node_id))
        async with self._core.store.write() as tx:
            row = await self._row(tx, peer_id)
            if row.cursor != page.after:
                return Behind(row.cursor)
            ack = await self._store(tx, row, page, checked, histories)
        self._core.bell.ring()
        return ack

    @staticmethod
    async def _row(tx: Reader, peer_id: int) -> PeerRow:
        row = await tx.get(PeerRow, peer_id)
        if row is None:
            raise NotFound("this peer is no longer known here")
        return row

    async def _histories(self, tx: Reader, peer_id: int, page: Page) -> dict[str, KeyHistory]:
        """Histories by node id: what we know, extended by what the page brings and what verifies."""
        row = await tx.get(PeerRow, peer_id)
        assert row is not None
        out = {row.node_id: read_history(row.history)}
        brought: dict[str, KeyHistory] = {}
        for entries in page.origins:
            try:
                history = verify_history([e.encode("ascii", "replace") for e in entries])
            except PeerError:
                continue  # its records will be refused as of an unknown issuer
            brought[history.node_id] = history
        ids = {*brought, *_issuers(page.entries), self._core.node_id}
        known = await known_origins(tx, ids)
        return out | better(known, brought) | {k: v for k, v in known.items() if k == self._core.node_id}

    async def _store(
        self,
        tx: Writer,
        row: PeerRow,
        page: Page,
        checked: Sequence[tuple[Entry, Checked]],
        histories: Mapping[str, KeyHistory],
    ) -> Ack:
        await keep_origins(tx, self._core, histories)
        for _, value in checked:  # rosters first: they say who may have what comes with them
            if isinstance(value, Verified) and isinstance(value.document, Roster):
                await take_roster(self._core, tx, value, row.node_id)
        hides = [v for _, v in checked if isinstance(v, Verified) and isinstance(v.document, Hide)]
        unheard = [u for v in hides if (u := await take_hide(self._core, tx, v, row.node_id)) is not None]
        situation = await self._core.situation(tx)
        fresh = await tx.get(PeerRow, row.id)
        assert fresh is not None
        peer = situation.peer(fresh)
        shelf = await Shelf.open(self._core, tx, peer, situation, self._admission, [v for _, v in checked])
        refused = [r for e, v in checked if (r := await _apply(shelf, e, v, peer.phase(situation.now))) is not None]
        row = replace(await shelf.close(), cursor=page.cursor, last_contact_at=situation.now)
        faults = [*refused, *shelf.left_out, *(Refusal(*u) for u in unheard)]
        await self._quarantine(tx, row, faults)
        for wrong in (r for r in faults if r.code == NotAdmitted.PASSING_ON):
            said = dumps_text({"rid": wrong.rid, "ver": wrong.ver, "sender": row.node_id, "why": wrong.detail})
            await send_towards(tx, wrong.origin, (), "report", said)
        await tx.put(replace(row, standing=row.standing - sum(r.hostile for r in faults)))
        return Ack(
            page.cursor,
            row.offer_count,
            row.offer_sum,
            receipts=tuple(self._receipts(await confirmable(tx, shelf.taken))),
            refused=tuple(Refused(r.origin, r.rid, r.ver, r.code) for r in refused if r.rid),
            newer=tuple(shelf.newer[:MAX_NEWER]),
        )

    def _receipts(self, taken: Mapping[str, Sequence[ReceiptItem]]) -> Iterable[str]:
        for origin, items in taken.items():
            yield self._core.sign(Receipt(iss=self._core.node_id, iat=self._core.now(), aud=origin, items=tuple(items)))

    async def _quarantine(self, tx: Writer, row: PeerRow, refused: Sequence[Refusal]) -> None:
        if not refused:
            return
        first = await tx.next_seq(len(refused))
        now = self._core.now()
        await tx.put_many(
            [
                Quarantined(first + n, row.id, now, r.code, r.detail[:500], r.origin, r.rid, r.ver)
                for n, r in enumerate(refused)
            ]
        )
        if await tx.count(Quarantined) > MAX_QUARANTINE:
            kept = await tx.find(Quarantined, order="id", descending=True, limit=MAX_QUARANTINE)
            await tx.delete(Quarantined, upto=("id", kept[-1].id - 1))

    async def take_marks(self, peer_id: int, swap: MarkSwap) -> None:
        """Withdrawals exchanged ahead of everything else; one that does not verify is the error of the peer."""
        entries = tuple(Withdraw(0, token) for token in swap.tokens)
        page = Page(0, entries, 0, False, 0, bytes(32), swap.histories)
        async with self._core.store.read() as tx:
            histories = await self._histories(tx, peer_id, page)
        verified = [verify_document(token, Withdrawal, histories.get) for token in swap.tokens]
        async with self._core.store.write() as tx:
            await keep_origins(tx, self._core, histories)
            row = await tx.get(PeerRow, peer_id)
            assert row is not None
            situation = await self._core.situation(tx)
            shelf = await Shelf.open(self._core, tx, situation.peer(row), situation, self._admission, verified)
            for withdrawal in verified:
                await shelf.withdraw(withdrawal)
            await tx.put(await shelf.close())
        self._core.bell.ring()

    async def items(self, peer_id: int) -> list[Item]:
        """The copies that the peer offers us."""
        async with self._core.store.read() as tx:
            return await Shelf.items(tx, peer_id)

    async def forget(self, peer_id: int, copy_ids: Sequence[bytes]) -> None:
        """Give up what the peer does not offer any more."""
        async with self._core.store.write() as tx:
            row = await tx.get(PeerRow, peer_id)
            assert row is not None
            situation = await self._core.situation(tx)
            shelf = await Shelf.open(self._core, tx, situation.peer(row), situation, self._admission, [])
            for copy_id in copy_ids:
                await shelf.drop(copy_id)
            await tx.put(await shelf.close())
        self._core.bell.ring()


async def _apply(shelf: Shelf, entry: Entry, value: Checked, phase: Phase) -> Refusal | None:
    """Put one verified entry on the shelf; the refusal if it is not taken."""
    match value:
        case PeerError():
            origin, rid, ver = _claims(entry)
            return Refusal(origin, rid, ver, value.code, str(value), hostile=True)
        case VerifiedEnvelope():
            assert isinstance(entry, Put)
            return await shelf.put(value, phase, _hops(entry, value))
        case Retract():
            return await shelf.retract(value)
        case Drop():
            await shelf.drop(value.copy_id)
            return None
        case Verified(document=Withdrawal()):
            return await shelf.withdraw(value)  # type: ignore[arg-type]
        case _:
            return None


def _check_page(page: Page, histories: Mapping[str, KeyHistory], way: tuple[str, str]) -> list[tuple[Entry, Checked]]:
    """Every entry verified on its own, a defect being a value here; and the manifest, which has to be of them all.

    The sender (the first of `way`) signs what it hands over, so that it cannot deny it later.
    """
    checked = [(entry, _check(entry, histories)) for entry in page.entries]
    puts = [value for entry, value in checked if isinstance(entry, Put)]
    if not puts:
        return checked
    manifest = verify_document(page.manifest, Manifest, histories.get).document
    if (manifest.iss, manifest.to) != way or len(manifest.items) != len(puts):
        raise PeerError(Code.MANIFEST, "the manifest is not the sender's own of what it hands to us")
    for item, value in zip(manifest.items, puts, strict=True):
        if isinstance(value, VerifiedEnvelope) and (item.vid != value.vid or {*item.fields} != {*value.texts}):
            raise PeerError(Code.MANIFEST, f"the manifest does not name what came of record {value.rid}")
    return checked


def _check(entry: Entry, histories: Mapping[str, KeyHistory]) -> Checked:
    try:
        match entry:
            case Put():
                return verify(entry.jws, entry.texts, histories.get)
            case Withdraw():
                return verify_document(entry.jws, Withdrawal, histories.get)
            case Circle():
                return verify_document(entry.jws, Roster, histories.get)
            case Hiding():
                return verify_document(entry.jws, Hide, histories.get)
            case _:
                return entry
    except PeerError as error:
        return error


def _hops(entry: Put, envelope: VerifiedEnvelope) -> dict[str, int]:
    """The lines that each field has crossed, as the sender says."""
    names = {text: name for name, text in envelope.texts.items()}
    return {names[t]: h for t, h in zip(entry.texts, entry.hops, strict=False)}


def _issuers(entries: Iterable[Entry]) -> set[str]:
    """Node ids that the entries' headers name, unverified: only to know which histories to look up."""
    out = set()
    for entry in entries:
        if isinstance(entry, Put | Withdraw | Circle | Hiding):
            try:
                out.add(split_kid(jws.peek(entry.jws)[1])[0])
            except PeerError:
                continue
    return out


def _claims(entry: Entry) -> tuple[str, str, int]:
    """Origin, id and version that a refused copy claims, to name it in the refusal; empty where it names none."""
    if not isinstance(entry, Put):
        return "", "", 0
    try:
        payload = json.loads(b64url_decode(entry.jws.split(".")[1]))
        return str(payload["iss"])[:100], str(payload["rid"])[:36], int(payload["ver"])
    except (PeerError, ValueError, KeyError, IndexError, TypeError):
        return "", "", 0


def better(known: Mapping[str, KeyHistory], brought: Mapping[str, KeyHistory]) -> dict[str, KeyHistory]:
    """For each node the newer of two histories that chain; one that does not continue ours is ignored."""
    out = dict(known)
    for node_id, history in brought.items():
        old = known.get(node_id)
        if old is None or (
            len(history.entries) > len(old.entries) and history.entries[: len(old.entries)] == old.entries
        ):
            out[node_id] = history
    return out


async def keep_origins(tx: Writer, core: Core, histories: Mapping[str, KeyHistory]) -> None:
    """Remember the histories of nodes we know only through others, and newer ones of peers."""
    peers = {p.node_id: p for p in await tx.get_many(PeerRow, [(n,) for n in histories], by=("node_id",))}
    origins = {o.node_id: o for o in await tx.get_many(OriginRow, [(n,) for n in histories])}
    for node_id, history in histories.items():
        if node_id == core.node_id:
            continue
        text = write_history(history)
        if node_id in peers:
            if peers[node_id].history != text:
                await tx.put(renewed(peers[node_id], history))
        elif node_id not in origins or origins[node_id].history != text:
            await tx.put(OriginRow(node_id, text, history.current.name))


def newer_own_version(token: str, own: KeyHistory) -> tuple[str, int, str] | None:
    """Record id, number and id of a version that we signed ourselves, as a peer shows it to us; None if we did not."""
    try:
        opened = jws.verify(token, Typ.RECORD, lambda kid: own.public_of(kid, Role.REC))
        payload = json.loads(opened.payload)
        if payload["iss"] != own.node_id:
            return None
        return str(payload["rid"]), int(payload["ver"]), hashlib.sha256(opened.signing_input).hexdigest()
    except (PeerError, ValueError, KeyError, TypeError):
        return None
