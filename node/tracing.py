"""Where a record went and why: explanations, the custody map, receipts, withdrawals on their way."""

from __future__ import annotations

import json
from typing import Final, Literal

from federation.encoding import b64url_decode
from governance.speech import N_
from node.errors import NotFound
from node.explaining.hindsight import Hindsight
from node.peerbook import KnownPeer
from node.principal import Principal
from node.store.rows import Copy, Custody, Entry, ReceiptDoc, ReceiptRow, State
from node.views import CustodyView, ReceiptView, WithdrawalView

HOUR_S: Final = 3600
DEFAULT_RESPONSE_H: Final = 72
_SHOWN: Final[dict[Entry, Literal["put", "retract", "withdraw"]]] = {
    Entry.PUT: "put",
    Entry.RETRACT: "retract",
    Entry.WITHDRAW: "withdraw",
}
_ENDED: Final = N_(
    "{who} stands behind {what}: their permission has ended or was withdrawn, so it stays in this organisation."
)
_NOT_YET: Final = N_("{who} stands behind {what}: no permission yet, so it stays in this organisation.")


class Tracing(Hindsight):
    """Use cases of stewards and of contributors who ask where their story is, and why it is there."""

    async def custody(self, who: Principal, ref: str) -> list[CustodyView]:
        """Every node that was given a record, directly or through others, and what it confirmed.

        Markers of withdrawals also go to nodes that never had it; those are not listed.
        """
        who.need("write")
        copy = await self._copy(ref)
        async with self._core.store.read() as tx:
            lines = await tx.find(Custody, {"copy": copy.id})
            receipts = {r.holder: r for r in await tx.find(ReceiptRow, {"origin": copy.origin, "rid": copy.rid})}
            situation = await self._core.situation(tx)
            peers = await self._core.peers(tx, situation)
            names = await self._readings.names(tx, list(receipts))
        now = self._core.now()
        direct = [
            self._direct(line, peers[line.peer], receipts.get(peers[line.peer].node_id), now)
            for line in lines
            if line.entry in (Entry.PUT, Entry.RETRACT) or (line.entry == Entry.WITHDRAW and line.told)
        ]
        known = {view.node_id for view in direct}
        return direct + [
            _through_others(r, names.get(r.holder, r.holder), copy, now)
            for r in receipts.values()
            if r.holder not in known
        ]

    def _direct(self, line: Custody, peer: KnownPeer, receipt: ReceiptRow | None, now: int) -> CustodyView:
        delivered = line.seq <= peer.row.acked
        entry = Entry(line.entry)
        confirmed = receipt if receipt is not None and _fits(receipt, entry, line) else None
        response_h = peer.clauses.response_h if peer.clauses else DEFAULT_RESPONSE_H
        late = entry is not Entry.PUT and confirmed is None and now > line.at + response_h * HOUR_S
        return CustodyView(
            node_id=peer.node_id,
            name=peer.row.name,
            entry=_SHOWN[entry],
            ver=line.ver,
            fields=[f for f in line.fields.split(",") if f],
            decided_at=line.at,
            delivered=delivered,
            confirmed=confirmed.state if confirmed else None,
            confirmed_at=confirmed.at if confirmed else None,
            overdue=late and (line.told or delivered),
            direct=True,
            refused=line.refused,
        )

    async def receipts(self, who: Principal, ref: str) -> list[ReceiptView]:
        """The last signed statement of every holder about a record."""
        who.need("write")
        copy = await self._copy(ref)
        async with self._core.store.read() as tx:
            rows = await tx.find(ReceiptRow, {"origin": copy.origin, "rid": copy.rid})
            docs = {d.id: d.jws for d in await tx.get_many(ReceiptDoc, [(r.doc,) for r in rows])}
            names = await self._readings.names(tx, [r.holder for r in rows])
        return [
            ReceiptView(
                holder=r.holder,
                holder_name=names.get(r.holder, r.holder),
                rid=r.rid,
                ver=r.ver,
                state="erased" if r.state == "erased" else "held",
                at=r.at,
                jws=docs.get(r.doc, ""),
            )
            for r in sorted(rows, key=lambda r: r.at)
        ]

    async def withdrawals(self, who: Principal, *, rid: str | None = None) -> list[WithdrawalView]:
        """Own records that were taken back, and how many holders have confirmed, are due, or are overdue."""
        who.need("write")
        where = {"origin": self._core.node_id, "state": State.WITHDRAWN} | ({"rid": rid} if rid else {})
        async with self._core.store.read() as tx:
            copies = await tx.find(Copy, where, order="change_seq", descending=True)
        out = []
        for copy in copies:
            held = [c for c in await self.custody(who, copy.rid) if c.entry == "withdraw"]
            confirmed = sum(c.confirmed == "erased" for c in held)
            overdue = sum(c.overdue for c in held)
            out.append(
                WithdrawalView(
                    rid=copy.rid,
                    origin=copy.origin,
                    reason=copy.reason or "",
                    at=_withdrawn_at(copy),
                    confirmed=confirmed,
                    waiting=len(held) - confirmed - overdue,
                    overdue=overdue,
                )
            )
        return out

    async def _copy(self, ref: str) -> Copy:
        origin, rid = await self._readings.resolve(ref, self._core.node_id)
        async with self._core.store.read() as tx:
            found = await tx.get_many(Copy, [(origin, rid)], by=("origin", "rid"))
        if not found:
            raise NotFound(f"no own record {ref!r}")
        return found[0]


def _fits(receipt: ReceiptRow, entry: Entry, line: Custody) -> bool:
    """True if a receipt answers this line and not an earlier state of the record."""
    if entry is Entry.PUT:
        # A holder may have more of it from others, and a receipt of before a narrowing speaks of more than it has.
        newer = receipt.ver > line.ver or (receipt.ver == line.ver and receipt.at >= line.at)
        return receipt.state == "held" and (receipt.copy_id == line.copy_id or newer)
    return receipt.state == "erased" and receipt.at >= line.at


def _through_others(receipt: ReceiptRow, name: str, copy: Copy, now: int) -> CustodyView:
    withdrawn = copy.state == State.WITHDRAWN
    erased = receipt.state == "erased"
    return CustodyView(
        node_id=receipt.holder,
        name=name,
        entry="withdraw" if withdrawn else "put",
        ver=receipt.ver,
        fields=[],
        decided_at=receipt.at,
        delivered=True,
        confirmed=receipt.state,
        confirmed_at=receipt.at,
        overdue=withdrawn and not erased and now > _withdrawn_at(copy) + DEFAULT_RESPONSE_H * HOUR_S,
        direct=False,
        refused=None,
    )


def _withdrawn_at(copy: Copy) -> int:
    return int(json.loads(b64url_decode((copy.withdrawal or "").split(".")[1]))["iat"]) if copy.withdrawal else 0
