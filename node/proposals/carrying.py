"""Carrying out what is decided: the preview once more, then the act, its cause and the log entry in one transaction.

If anything would be shared that voters did not see, nothing is done and the proposal goes back to them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from governance.errors import GovernanceError
from governance.impact import Impact
from governance.proposal import (
    UNDECIDED,
    Ballot,
    Choice,
    Rules,
    Standing,
    State,
    Verdict,
    content_hash,
    judge,
    rules_for,
)
from node.core import Core
from node.errors import NodeError
from node.previews.previews import Previews
from node.principal import Principal
from node.proposal_views import CommentView, ProposalLine, ProposalView, VoteView
from node.proposals.acts import Act, act_json, read_act, write_act
from node.proposals.doing import Carried, Doing
from node.proposals.showing import read_impact, stewards_said, what_next, written
from node.reading import Readings
from node.stewards import By, electorate
from node.store.governing import Audit, CommentRow, ProposalRow, VoteRow
from node.store.port import Reader, Writer
from node.store.rows import CircleRow, Copy, PeerRow

log = logging.getLogger("commonweave.proposals")

ATTEMPTS: Final = 3  # a busy node changes while a preview is computed; then it is computed while nobody writes
SAID_CHARS: Final = 500  # of the reason why something could not be done


class Carrying:
    """Decides what is due, and does it."""

    def __init__(
        self,
        core: Core,
        previews: Previews,
        doings: Mapping[str, Doing[Any]],
        default: Rules,
        by_kind: Mapping[str, Rules],
    ) -> None:
        self._core = core
        self._readings = Readings(core)
        self._previews = previews
        self._doings = doings
        self._default = default
        self._by_kind = by_kind

    def _rules(self, kind: str) -> Rules:
        return rules_for(kind, self._default, self._by_kind)

    def _doing(self, act: Act) -> Doing[Any]:
        return self._doings[act.kind]

    def _act(self, row: ProposalRow) -> Act:
        return read_act(row.body)

    # --- judging -----------------------------------------------------------------------------------------------------

    async def _verdict(self, tx: Reader, row: ProposalRow) -> Verdict:
        votes = await tx.find(VoteRow, {"pid": row.pid})
        ballots = [Ballot(v.account, Choice(v.choice), v.hash) for v in votes]
        standing = Standing(State(row.state), row.by, row.hash, row.closes_at, row.approved_at)
        return judge(standing, self._rules(row.kind), ballots, await electorate(tx), self._core.now())

    async def _settled(self, tx: Writer, row: ProposalRow) -> ProposalRow:
        """The row in the state that follows from votes, stewards and time; written if that is another one."""
        if row.state not in UNDECIDED:
            return row
        verdict = await self._verdict(tx, row)
        if (verdict.state, verdict.approved_at) == (row.state, row.approved_at):
            return row
        over = verdict.state not in UNDECIDED
        new = replace(
            row, state=verdict.state, approved_at=verdict.approved_at, done_at=self._core.now() if over else None
        )
        await tx.put(new)
        await self._core.audit(tx, "node", f"proposal.{verdict.state}", row.pid, row.kind)
        return new

    async def tend(self) -> None:
        """Carry out what has become due, and close what is over."""
        async with self._core.store.read() as tx:
            waiting = [r for s in UNDECIDED for r in await tx.find(ProposalRow, {"state": s})]
            stale = [r.pid for r in waiting if await self._moves(tx, r)]
        for pid in stale:
            try:
                await self.carry_out(pid)
            except Exception:  # one that fails does not keep the others waiting; it is tried again
                log.exception("proposal %s could not be carried out now", pid)

    async def _moves(self, tx: Reader, row: ProposalRow) -> bool:
        verdict = await self._verdict(tx, row)
        return verdict.due(self._core.now()) or (verdict.state, verdict.approved_at) != (row.state, row.approved_at)

    # --- carrying out ------------------------------------------------------------------------------------------------

    async def carry_out(self, pid: str) -> None:
        """Bring a proposal into the state it should be in; if it is due, do what it says."""
        async with self._core.store.write() as tx:
            row = await tx.get(ProposalRow, pid)
            assert row is not None
            row = await self._settled(tx, row)
            due = (await self._verdict(tx, row)).due(self._core.now())
        if not due:
            return
        try:
            carried = await self._carry(row)
        except (NodeError, GovernanceError, ValidationError) as error:  # it cannot be done any more: say so, and end it
            await self._give_up(pid, str(error))
            return
        if carried is not None:
            self._core.bell.ring()
            try:
                await carried.after()
            except (NodeError, OSError):
                log.warning("proposal %s is in force; what follows it is tried again", pid, exc_info=True)

    async def _carry(self, row: ProposalRow) -> Carried | None:
        for attempt in range(ATTEMPTS + 1):
            impact, ground = None, ""
            if attempt < ATTEMPTS:
                async with self._core.store.read() as reader:
                    ground = await _ground(self._core, reader)
                    impact = await self._impact(reader, row)
            done: Carried | None = None
            try:
                async with self._core.store.write() as tx:
                    if attempt < ATTEMPTS and await _ground(self._core, tx) != ground:
                        continue
                    if attempt == ATTEMPTS:
                        impact = await self._impact(tx, row)
                    now = await tx.get(ProposalRow, row.pid)
                    if now is None or now.hash != row.hash or not (await self._verdict(tx, now)).due(self._core.now()):
                        return None
                    if impact is not None and impact.beyond(now.seen or b""):
                        await self._return(tx, now, impact)
                        return None
                    act, by = self._act(now), await self._by(tx, now)
                    done = await self._doing(act).carry(tx, act, by)
                    await tx.put(replace(now, state=State.IN_FORCE, done_at=self._core.now(), note=""))
                    await self._core.audit(tx, "node", "proposal.in-force", now.pid, now.kind)
            except BaseException:
                if done is not None and done.undo is not None:
                    done.undo()
                raise
            return done
        raise AssertionError("the last attempt never goes on")

    async def _impact(self, tx: Reader, row: ProposalRow) -> Impact | None:
        act = self._act(row)
        doing = self._doing(act)
        what_if = await doing.what_if(tx, await doing.settle(tx, act))
        return None if what_if is None else await self._previews.impact(what_if, tx=tx)

    async def _by(self, tx: Reader, row: ProposalRow) -> By:
        alone = len(await electorate(tx)) == 1
        return By(row.by, f"proposal {row.pid}" + (", one steward" if alone else ""), row.pid)

    async def _return(self, tx: Writer, row: ProposalRow, impact: Impact) -> None:
        """Something would be shared that nobody voted on: show it, and ask again."""
        digest = content_hash(row.kind, row.body, impact.digest())
        new = replace(
            row, state=State.OPEN, hash=digest, preview=await written(tx, impact), seen=impact.pack(),
            approved_at=None, closes_at=self._core.now() + self._rules(row.kind).open_s,
            note="more would be shared by now than was voted on: look at the preview again",
        )  # fmt: skip
        await tx.put(new)
        await tx.delete(VoteRow, {"pid": row.pid})
        await self._core.audit(tx, "node", "proposal.returned", row.pid, row.kind)

    async def _give_up(self, pid: str, why: str) -> None:
        async with self._core.store.write() as tx:
            row = await tx.get(ProposalRow, pid)
            if row is None or row.state != State.APPROVED:
                return
            await tx.put(replace(row, state=State.LAPSED, done_at=self._core.now(), note=why[:SAID_CHARS]))
            await self._core.audit(tx, "node", "proposal.lapsed", pid, row.kind)

    # --- showing -----------------------------------------------------------------------------------------------------

    async def _view(self, tx: Reader, who: Principal, row: ProposalRow) -> ProposalView:
        verdict = await self._verdict(tx, row)
        act = self._act(row)
        votes = await tx.find(VoteRow, {"pid": row.pid})
        comments = await tx.find(CommentRow, {"pid": row.pid}, order="id")
        words = await self._words(tx, who, act)
        return ProposalView(
            pid=row.pid,
            kind=row.kind,
            title=row.title or words[0],
            state=row.state,
            by=row.by,
            created_at=row.created_at,
            opened_at=row.opened_at,
            closes_at=row.closes_at,
            approved_at=row.approved_at,
            due_at=verdict.due_at if row.state == State.APPROVED else None,
            done_at=row.done_at,
            hash=row.hash,
            act=act_json(act),
            words=words,
            impact=await read_impact(row.preview, self._readings, tx, who),
            yes=len(verdict.yes),
            no=len(verdict.no),
            needed=verdict.needed,
            missing=verdict.missing,
            stewards=stewards_said(list(await electorate(tx))),
            votes=[
                VoteView(account=v.account, choice=v.choice, at=v.at, counts=v.account in verdict.yes | verdict.no)
                for v in sorted(votes, key=lambda v: (v.at, v.account))
            ],
            comments=[CommentView(account=c.account, at=c.at, text=c.text) for c in comments],
            note=row.note,
            next=what_next(State(row.state), verdict, row.closes_at, row.note, who.say),
        )

    async def _line(self, tx: Reader, who: Principal, row: ProposalRow) -> ProposalLine:
        title = row.title or (await self._words(tx, who, self._act(row)))[0]
        return ProposalLine(
            pid=row.pid, kind=row.kind, title=title, state=row.state, by=row.by, created_at=row.created_at,
            closes_at=row.closes_at, note=row.note,
        )  # fmt: skip

    async def _words(self, tx: Reader, who: Principal, act: Act) -> list[str]:
        """The act in sentences; one whose things are gone by now is shown as it was written."""
        try:
            return await self._doing(act).words(tx, act, who.say) or [act.kind]
        except NodeError:
            return [f"{act.kind}: {write_act(act)}"]


async def _ground(core: Core, tx: Reader) -> str:
    """All that a preview is computed from, as one comparable text."""
    copies = await tx.find(Copy, order="change_seq", descending=True, limit=1)
    noted = await tx.find(Audit, order="id", descending=True, limit=1)
    peers = sorted(
        (p.id, p.phase, p.agreement or "", p.regions, p.offer_count, p.offer_sum) for p in await tx.find(PeerRow)
    )
    rosters = sorted((c.cid, c.seq) for c in await tx.find(CircleRow))
    last = copies[0].change_seq if copies else 0
    return repr((last, noted[0].id if noted else 0, peers, rosters, (await core.policy_in(tx)).version))
