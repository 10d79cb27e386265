"""Suspending, ending, blocking: either side alone, at once, by a signed notice (DESIGN 7)."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Final, Literal

from federation.documents import (
    Notice,
    NoticeKind,
    Verified,
    verify_document,
)
from federation.jws import peek
from federation.keys import split_kid
from governance.agreement import Phase, Step, step
from governance.errors import AgreementError
from governance.terms import MAX_UNTIL
from node.agreements import read_proposal
from node.errors import NotNow, PeerTrouble
from node.peer_views import PeerView
from node.peerbook import read_history
from node.peers.acquaintance import Acquaintance, refused
from node.principal import Principal
from node.proposals.acts import MAX_NOTE_CHARS, AgreementStep
from node.stewards import By, alone
from node.store.port import Writer
from node.store.rows import Outgoing, PeerRow

StepKind = Literal["agreement.suspend", "agreement.resume", "agreement.end", "agreement.block", "agreement.unblock"]
_STEPS: Final[dict[StepKind, tuple[Step, NoticeKind | None]]] = {
    "agreement.suspend": (Step.SUSPEND, NoticeKind.SUSPEND),
    "agreement.resume": (Step.RESUME, NoticeKind.RESUME),
    "agreement.end": (Step.END, NoticeKind.END),
    "agreement.block": (Step.BLOCK, NoticeKind.BLOCK),
    "agreement.unblock": (Step.UNBLOCK, None),
}


class Parting(Acquaintance):
    """One-sided steps."""

    async def suspend(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """Stop sharing both ways until we resume; what was sent is taken back meanwhile."""
        return await self._step(who, ref, "agreement.suspend", note)

    async def resume(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """Lift our own suspension."""
        return await self._step(who, ref, "agreement.resume", note)

    async def end(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """End the agreement; its own clause says what happens to copies."""
        return await self._step(who, ref, "agreement.end", note)

    async def block(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """End it and refuse everything but withdrawals."""
        return await self._step(who, ref, "agreement.block", note)

    async def unblock(self, who: Principal, ref: str, note: str = "") -> PeerView:
        """Back to an ended agreement, from which a new one can be proposed."""
        return await self._step(who, ref, "agreement.unblock", note)

    async def _step(self, who: Principal, ref: str, kind: StepKind, note: str) -> PeerView:
        who.need("steward")
        row = await self.find(ref)
        self.check_step(row, kind)
        by = await alone(self._core, who, AgreementStep(kind=kind, peer=row.node_id, note=note[:MAX_NOTE_CHARS]))
        async with self._core.store.write() as tx:
            row = await self.step_in(tx, row.node_id, kind, note, by)
        await self.deliver_notices(row.id)
        self._core.bell.ring()
        return await self.get(who, row.node_id)

    def check_step(self, row: PeerRow, kind: StepKind) -> PeerRow:
        """The row after the step; `NotNow` if it cannot be taken from where we are."""
        try:
            return _declared(row, _STEPS[kind][0], ours=True)
        except AgreementError as error:
            raise NotNow(str(error)) from error

    async def step_in(self, tx: Writer, ref: str, kind: StepKind, note: str, by: By) -> PeerRow:
        """Take the step in this transaction; its notice waits, for `deliver_notices` after the commit."""
        wanted, said = _STEPS[kind]
        row = self.check_step(await self._row(tx, ref), kind)
        agreement = read_proposal(row.agreement_source).document.id if row.agreement_source else "none"
        now = self._core.now()
        row = replace(row, next_sync_at=now, failures=0)
        await tx.put(row)
        if said is not None:
            # The time keeps the number of a node that was restored from a backup above what its peer has seen.
            notice = Notice(
                iss=self._core.node_id, iat=now, to=row.node_id, agreement=agreement, kind=said,
                seq=max(row.notice_seq + 1, now), reason=note[:MAX_NOTE_CHARS],
            )  # fmt: skip
            await self._queue(tx, row, notice)
        await self._core.audit(tx, by.actor, f"peer.{wanted}", row.node_id, by.detail)
        return row

    async def deliver_notices(self, peer_id: int) -> bool:
        """Hand over notices that wait, one caller at a time; False if the peer was not reached."""
        async with self._telling.setdefault(peer_id, asyncio.Lock()):
            return await self._deliver(peer_id)

    async def _deliver(self, peer_id: int) -> bool:
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
                waits = _waits_for(node_id, row)
                row = _declared(row, wanted, ours=False)
                if wanted is Step.END and waits:
                    row = replace(row, phase=step(Phase.ENDED, Step.PROPOSE))
            await tx.put(row)
            await self._core.audit(tx, node_id, f"notice.{notice.kind}", node_id)
        self._core.bell.ring()
        return before


def _waits_for(node_id: str, row: PeerRow) -> bool:
    """True if the next agreement is on the table and this peer has not signed it: if it does so yet, it comes back."""
    if row.proposal is None or row.phase not in (Phase.ACTIVE, Phase.PROPOSED):
        return False
    return all(split_kid(peek(token)[1])[0] != node_id for token in read_proposal(row.proposal).tokens)


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
