"""Proposals that answer from one proposal in memory: enough to drive every route."""

from __future__ import annotations

from collections.abc import Sequence

from node.errors import NotFound, NotNow
from node.principal import Principal
from node.proposal_views import ProposalLine, ProposalView
from node.proposals.acts import Act, StewardAdd, act_json

PID = "proposal-1"
HASH = "ab" * 32


class FakeProposals:
    """One open proposal."""

    def __init__(self, now: int) -> None:
        self._one = ProposalView(
            pid=PID, kind="steward.add", title="Amal decides with us", state="open", by="bao", created_at=now,
            opened_at=now, closes_at=now + 1, approved_at=None, due_at=None, done_at=None, hash=HASH,
            act=act_json(StewardAdd(account="amal")), words=["amal becomes a steward."], impact=None, yes=0, no=0,
            needed=2, missing=2, stewards=["bao", "chidi"], votes=[], comments=[], note="",
            next="2 more votes are needed.",
        )  # fmt: skip

    def _found(self, who: Principal, ref: str) -> ProposalView:
        who.need("steward")
        if ref != PID:
            raise NotFound(f"no proposal {ref!r}")
        return self._one

    async def draft(self, who: Principal, act: Act, title: str = "") -> ProposalView:
        who.need("steward")
        return self._one.model_copy(update={"state": "draft", "title": title, "act": act_json(act)})

    async def propose(self, who: Principal, act: Act, title: str = "") -> ProposalView:
        who.need("steward")
        return self._one.model_copy(update={"title": title, "act": act_json(act)})

    async def open(self, who: Principal, ref: str) -> ProposalView:
        return self._found(who, ref)

    async def edit(self, who: Principal, ref: str, act: Act, title: str | None = None) -> ProposalView:
        return self._found(who, ref).model_copy(update={"act": act_json(act)})

    async def comment(self, who: Principal, ref: str, text: str) -> ProposalView:
        return self._found(who, ref)

    async def vote(self, who: Principal, ref: str, choice: str, seen: str) -> ProposalView:
        found = self._found(who, ref)
        if not found.hash.startswith(seen):
            raise NotNow("the proposal is another one than you have seen")
        return found

    async def withdraw(self, who: Principal, ref: str) -> ProposalView:
        return self._found(who, ref).model_copy(update={"state": "withdrawn"})

    async def list(self, who: Principal, state: str | None = None) -> Sequence[ProposalLine]:
        who.need("steward")
        one = self._one
        line = ProposalLine(
            pid=one.pid, kind=one.kind, title=one.title, state=one.state, by=one.by, created_at=one.created_at,
            closes_at=one.closes_at, note=one.note,
        )  # fmt: skip
        return [line] if state in (None, one.state) else []

    async def show(self, who: Principal, ref: str) -> ProposalView:
        return self._found(who, ref)
