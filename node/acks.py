"""What peers make of what we sent: acknowledgements, refusals, later versions of our own, and signed receipts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from federation import jws
from federation.documents import Receipt, Verified, verify_document
from federation.errors import PeerError
from federation.identity import KeyHistory, verify_history
from federation.keys import split_kid
from federation.messages import Ack, Refused
from node.core import Core
from node.erasure import send_towards
from node.explaining.remembering import remember_confirmed
from node.fingerprint import Fingerprint
from node.intake import better, keep_origins, newer_own_version
from node.peerbook import known_origins, read_history
from node.reports.letters import take_letter
from node.sealing import reseal
from node.sharing import Sharing
from node.shelf import LATER
from node.store.port import Reader, Writer
from node.store.rows import Copy, Custody, Entry, OriginRow, PeerRow, ReceiptDoc, ReceiptRow, State

Histories = dict[str, KeyHistory]
MAX_VERSION_JUMP: Final = 10_000  # beyond any record's edits since a backup; a lie costs little of the 2^31 there are


class Acks:
    """The sender's bookkeeping of what arrived."""

    def __init__(self, core: Core, sharing: Sharing) -> None:
        self._core = core
        self._sharing = sharing

    async def take(self, peer_id: int, ack: Ack) -> None:
        """Note an acknowledgement. Receipts that do not verify are ignored, the rest of it counts."""
        async with self._core.store.read() as tx:
            receipts, histories, brought = await self._verified(tx, ack)
        async with self._core.store.write() as tx:
            row = await tx.get(PeerRow, peer_id)
            if row is None:
                return
            if ack.cursor is not None:
                before, row = row, replace(row, acked=max(row.acked, min(ack.cursor, row.issued)))
                await remember_confirmed(tx, before, row.acked, self._core.now())
            row = await self._refusals(tx, row, ack.refused)
            await tx.put(replace(row, last_contact_at=self._core.now()))
            await self._newer(tx, ack.newer, ack.refused)
            if ack.want:
                await self._sharing.requeue(tx, peer_id, ack.want)
            await keep_origins(tx, self._core, brought)
            await self._receipts(tx, peer_id, receipts)
            for report in ack.reports:
                await self._core.audit(tx, row.node_id, "report", detail=report[:500])
            for letter in ack.letters:
                await take_letter(self._core, tx, peer_id, letter, histories)
        self._core.bell.ring()

    async def _refusals(self, tx: Writer, row: PeerRow, refused: Sequence[Refused]) -> PeerRow:
        """Refused copies leave the fingerprint, so that both sides agree on what the peer holds."""
        codes = {(r.origin, r.rid): r.code for r in refused}
        copies = {c.id: c for c in await tx.get_many(Copy, list(codes), by=("origin", "rid"))}
        lines = await tx.get_many(Custody, [(row.id, i) for i in copies])
        puts = Fingerprint.of(row.put_count, row.put_sum)
        for line in lines:
            if line.entry == Entry.PUT and line.refused is None and line.seq <= row.acked and line.copy_id:
                copy = copies[line.copy]
                puts.remove(line.copy_id)
                await tx.put(replace(line, refused=codes[copy.origin, copy.rid][:100]))
        return replace(row, put_count=puts.count, put_sum=puts.bytes)

    async def _newer(self, tx: Writer, tokens: Sequence[str], refused: Sequence[Refused]) -> None:
        """A peer shows other versions that we signed: we were restored from a backup, and go on above them.

        One that holds nothing of the record any more can only name the number: it is believed within a bound, since
        a number that is too high does no harm.
        """
        named = {r.rid: r.ver for r in refused if r.origin == self._core.node_id and r.code in LATER}
        if not tokens and not named:
            return
        own = await tx.get(OriginRow, self._core.node_id)
        assert own is not None
        history = read_history(own.history)
        shown = {s[0]: (s[1], s[2]) for t in tokens if (s := newer_own_version(t, history)) is not None}
        keys = [(self._core.node_id, rid) for rid in {*shown, *named}]
        above = {}
        for copy in await tx.get_many(Copy, keys, by=("origin", "rid")):
            if copy.state != State.LIVE or copy.vid is None:
                continue
            mine = copy.ver, copy.vid.hex()
            later = shown.get(copy.rid) or (named[copy.rid], mine[1])
            lost = later[0] > copy.ver or (later[0] == copy.ver and (copy.rid not in shown or later != mine))
            if lost and later[0] - copy.ver <= MAX_VERSION_JUMP:
                above[copy.rid] = later
        await reseal(self._core, tx, list(above), "restored", only_if_changed=False, above=above)

    async def _verified(self, tx: Reader, ack: Ack) -> tuple[list[Verified[Receipt]], Histories, Histories]:
        """Receipts that hold, every history known now, and those of them that came along."""
        brought: dict[str, KeyHistory] = {}
        for entries in ack.histories:
            try:
                history = verify_history([e.encode("ascii", "replace") for e in entries])
            except PeerError:
                continue
            brought[history.node_id] = history
        issuers = {issuer(token) for token in (*ack.receipts, *ack.letters)}
        histories = better(await known_origins(tx, {*brought, *issuers}), brought)
        out = []
        for token in ack.receipts:
            try:
                out.append(verify_document(token, Receipt, histories.get))
            except PeerError:
                continue
        return out, histories, {n: h for n, h in histories.items() if n in brought}

    async def _receipts(self, tx: Writer, peer_id: int, receipts: Iterable[Verified[Receipt]]) -> None:
        for verified in receipts:
            if verified.document.aud == self._core.node_id:
                await self._keep(tx, verified)
            else:
                await self._forward(tx, peer_id, verified)

    async def _keep(self, tx: Writer, verified: Verified[Receipt]) -> None:
        document, number = verified.document, bytes.fromhex(verified.id)
        keys = [(document.iss, document.aud, item.rid) for item in document.items]
        before = {r.rid: r for r in await tx.get_many(ReceiptRow, keys)}
        rows = [
            ReceiptRow(
                document.iss, document.aud, item.rid, item.ver, item.state, document.iat, number,
                bytes.fromhex(item.copy_id),
            )
            for item in document.items
            if item.rid not in before or before[item.rid].at <= document.iat
        ]  # fmt: skip
        if rows:
            await tx.put(ReceiptDoc(number, document.iss, document.aud, verified.token.decode("ascii"), document.iat))
            await tx.put_many(rows)
            await _prune(tx, {r.doc for r in before.values()} - {number})

    async def _forward(self, tx: Writer, peer_id: int, verified: Verified[Receipt]) -> None:
        """A receipt for another origin goes on to it, or to the peers its records came through."""
        document = verified.document
        rids = [(document.aud, item.rid) for item in document.items]
        copies = await tx.get_many(Copy, rids, by=("origin", "rid"))
        via = {c.via for c in copies if c.via is not None} - {peer_id}
        token = verified.token.decode("ascii")
        await send_towards(tx, document.aud, via, "receipt", token)


async def _prune(tx: Writer, docs: Iterable[bytes]) -> None:
    """Forget receipts none of whose lines count any more."""
    for doc in docs:
        if not await tx.count(ReceiptRow, {"doc": doc}):
            await tx.delete(ReceiptDoc, {"id": doc})


def issuer(token: str) -> str:
    """The node id that a signed document claims in its header, unverified; empty if it has none."""
    try:
        return split_kid(jws.peek(token)[1])[0]
    except PeerError:
        return ""
