"""Suspending, ending, blocking: either side alone, at once, by a signed notice (DESIGN 7)."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from federation.documents import (
    Notice,
    NoticeKind,
    Verified,
    verify_document,
)
from governance.agreement import Phase, Step, step
from governance.errors import AgreementError
from governance.terms import MAX_UNTIL
from node.agreements import read_proposal
from node.errors import NotNow, PeerTrouble
from node.peerbook import read_history
from node.peers.acquaintance import Acquaintance, refused
from node.principal import Principal
from node.store.port import Writer
from node.store.rows import Outgoing, PeerRow
from node.views import PeerView


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
            now = self._core.now()
            row = replace(row, next_sync_at=now, failures=0)
            await tx.put(row)
            if kind is not None:
                # The time keeps the number of a node that was restored from a backup above what its peer has seen.
                notice = Notice(
                    iss=self._core.node_id, iat=now, to=row.node_id, agreement=agreement, kind=kind,
                    seq=max(row.notice_seq + 1, now), reason=note[:500],
                )  # fmt: skip
                await self._queue(tx, row, notice)
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
        try:
            for item in waiting:
                before = await self._tell(row, item.body)
                async with self._core.store.write() as tx:
                    again = await self._above(tx, row.id, before)
                    await tx.delete(Outgoing, {"id": item.id})
                if again is not None:
                    await self._tell(row, again.body)
                    async with self._core.store.write() as tx:
                        await tx.delete(Outgoing, {"id": again.id})
        except PeerTrouble:
            return False
        return True

    async def _tell(self, row: PeerRow, token: str) -> object:
        """Hand over one notice; the highest number that the peer had taken before it."""
        line = self._lines.to(read_history(row.history), json.loads(row.urls))
        return (await self._asked(line, "/notice", {"notice": token})).get("before")

    async def _queue(self, tx: Writer, row: PeerRow, notice: Notice) -> Outgoing:
        """Only the last word waits for a peer."""
        item = Outgoing(await tx.next_seq(), row.id, "notice", self._core.sign(notice), self._core.now())
        await tx.put(replace(row, notice_seq=notice.seq))
        await tx.delete(Outgoing, {"peer": row.id, "what": "notice"})
        await tx.put(item)
        return item

    async def _above(self, tx: Writer, peer_id: int, heard: object) -> Outgoing | None:
        """The waiting notice signed again above `heard`, if the peer ignores it: we have lost numbers with a disk."""
        row = await tx.get(PeerRow, peer_id)
        waiting = await tx.find(Outgoing, {"peer": peer_id, "what": "notice"}, order="id")
        if row is None or not waiting or type(heard) is not int or not row.notice_seq <= heard <= MAX_UNTIL:
            return None
        own = await self._own(tx)
        old = verify_document(waiting[-1].body, Notice, {own.node_id: own}.get).document
        return await self._queue(tx, row, old.model_copy(update={"seq": heard + 1, "iat": self._core.now()}))

    async def _unheard_notices(self, tx: Writer, row: PeerRow, heard: object) -> list[str]:
        """Notices that the peer has not heard of; those it has are done with."""
        waiting = await tx.find(Outgoing, {"peer": row.id, "what": "notice"}, order="id")
        if waiting and heard == row.notice_seq:
            await tx.delete(Outgoing, {"id": [w.id for w in waiting]})
            return []
        again = await self._above(tx, row.id, heard)
        return [w.body for w in ([again] if again else waiting)]

    async def noticed(self, node_id: str, token: str) -> int:
        """The peer declares a step alone; a notice that is not newer than the last one is ignored.

        The answer is the number of that last one, so that a peer that lost its numbers can sign above it.
        """
        async with self._core.store.write() as tx:
            row = (await tx.get_many(PeerRow, [(node_id,)], by=("node_id",)))[0]
            verified: Verified[Notice] = verify_document(token, Notice, {node_id: read_history(row.history)}.get)
            notice = verified.document
            if notice.to != self._core.node_id or notice.iss != node_id:
                raise refused("this notice is for somebody else")
            before = row.their_notice_seq
            if notice.seq <= before:
                return before
            wanted = {NoticeKind.BLOCK: Step.END}.get(notice.kind) or Step(notice.kind)
            row = replace(row, their_notice_seq=notice.seq, last_contact_at=self._core.now())
            with suppress(AgreementError):  # we may be further than that already: ended or blocked
                row = _declared(row, wanted, ours=False)
            await tx.put(row)
            await self._core.audit(tx, node_id, f"notice.{notice.kind}", node_id)
        self._core.bell.ring()
        return before


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
