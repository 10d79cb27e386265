"""Suspending, ending, blocking: either side alone, at once, by a signed notice (DESIGN 7)."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Final

from federation.documents import (
    Notice,
    NoticeKind,
    Verified,
    verify_document,
)
from federation.encoding import dumps
from governance.agreement import Phase, Step, step
from governance.errors import AgreementError
from node.agreements import read_proposal
from node.errors import NotNow, PeerTrouble
from node.peerbook import read_history
from node.peers.acquaintance import Acquaintance, refused
from node.principal import Principal
from node.store.port import Writer
from node.store.rows import Outgoing, PeerRow
from node.views import PeerView

HOUR_S: Final = 3600
MAX_INVITE_H: Final = 24 * 30
NONCE_BYTES: Final = 18
EXAMPLES: Final = 8
FLOW_BATCH: Final = 1000


class Parting(Acquaintance):
    """One-sided steps."""

    async def suspend(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """Stop sharing both ways until we resume; what was sent is taken back meanwhile."""
        return await self._declare(who, ref, Step.SUSPEND, NoticeKind.SUSPEND, note)

    async def resume(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """Lift our own suspension."""
        return await self._declare(who, ref, Step.RESUME, NoticeKind.RESUME, note)

    async def end(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """End the agreement; its own clause says what happens to copies."""
        return await self._declare(who, ref, Step.END, NoticeKind.END, note)

    async def block(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """End it and refuse everything but withdrawals."""
        return await self._declare(who, ref, Step.BLOCK, NoticeKind.BLOCK, note)

    async def unblock(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """Back to an ended agreement, from which a new one can be proposed."""
        return await self._declare(who, ref, Step.UNBLOCK, None, note)

    async def _declare(self, who: Principal, ref: str, wanted: Step, kind: NoticeKind | None, note: str) -> PeerView:
        who.need("steward")
        async with self._core.store.write() as tx:
            row = await self._row(tx, ref)
            try:
                row = _declared(row, wanted, ours=True)
            except AgreementError as error:
                raise NotNow(str(error)) from error
            agreement = read_proposal(row.agreement_source).document.id if row.agreement_source else "none"
            row = replace(
                row, notice_seq=row.notice_seq + int(kind is not None), next_sync_at=self._core.now(), failures=0
            )
            await tx.put(row)
            if kind is not None:
                notice = Notice(
                    iss=self._core.node_id, iat=self._core.now(), to=row.node_id, agreement=agreement, kind=kind,
                    seq=row.notice_seq, reason=note[:500],
                )  # fmt: skip
                await tx.delete(Outgoing, {"peer": row.id, "what": "notice"})
                await tx.put(Outgoing(await tx.next_seq(), row.id, "notice", self._core.sign(notice), self._core.now()))
            await self._core.audit(tx, who.actor, f"peer.{wanted}", row.node_id, note[:200])
        await self.deliver_notices(row.id)
        self._core.bell.ring()
        return await self.get(who, row.node_id)

    async def deliver_notices(self, peer_id: int) -> bool:
        """Hand over notices that wait; False if the peer was not reached."""
        async with self._core.store.read() as tx:
            row = await tx.get(PeerRow, peer_id)
            waiting = await tx.find(Outgoing, {"peer": peer_id, "what": "notice"}, order="id")
        if row is None or not waiting:
            return True
        for item in waiting:
            try:
                line = self._lines.to(read_history(row.history), json.loads(row.urls))
                await self._lines.ask(line, "POST", "/notice", dumps({"notice": item.body}))
            except PeerTrouble:
                return False
            async with self._core.store.write() as tx:
                await tx.delete(Outgoing, {"id": item.id})
        return True

    async def _unheard_notices(self, tx: Writer, row: PeerRow, heard: object) -> list[str]:
        """Notices that the peer has not heard of; those it has are done with."""
        waiting = await tx.find(Outgoing, {"peer": row.id, "what": "notice"}, order="id")
        if waiting and isinstance(heard, int) and heard >= row.notice_seq:
            await tx.delete(Outgoing, {"id": [w.id for w in waiting]})
            return []
        return [w.body for w in waiting]

    async def noticed(self, node_id: str, token: str) -> None:
        """The peer declares a step alone; a notice that is not newer than the last one is ignored."""
        async with self._core.store.write() as tx:
            row = (await tx.get_many(PeerRow, [(node_id,)], by=("node_id",)))[0]
            verified: Verified[Notice] = verify_document(token, Notice, {node_id: read_history(row.history)}.get)
            notice = verified.document
            if notice.to != self._core.node_id or notice.iss != node_id:
                raise refused("this notice is for somebody else")
            if notice.seq <= row.their_notice_seq:
                return
            wanted = {NoticeKind.BLOCK: Step.END}.get(notice.kind) or Step(notice.kind)
            row = replace(row, their_notice_seq=notice.seq, last_contact_at=self._core.now())
            with suppress(AgreementError):  # we may be further than that already: ended or blocked
                row = _declared(row, wanted, ours=False)
            await tx.put(row)
            await self._core.audit(tx, node_id, f"notice.{notice.kind}", node_id)
        self._core.bell.ring()


def _declared(row: PeerRow, wanted: Step, *, ours: bool) -> PeerRow:
    """The row after a one-sided step. Two suspensions need two resumptions."""
    if wanted is Step.SUSPEND and row.phase == Phase.SUSPENDED:
        return replace(row, we_suspended=row.we_suspended or ours, they_suspended=row.they_suspended or not ours)
    if wanted is Step.RESUME and row.phase == Phase.SUSPENDED:
        if ours and not row.we_suspended:
            raise AgreementError("the other side suspended the agreement: only it can resume")
        row = replace(row, we_suspended=row.we_suspended and not ours, they_suspended=row.they_suspended and ours)
        return row if row.we_suspended or row.they_suspended else replace(row, phase=step(Phase.SUSPENDED, wanted))
    phase = step(Phase(row.phase), wanted)
    suspended = wanted is Step.SUSPEND
    return replace(row, phase=phase, we_suspended=suspended and ours, they_suspended=suspended and not ours)
