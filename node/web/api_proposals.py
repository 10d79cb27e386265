"""API operations on proposals. Each is one call of a use case."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from node.principal import Principal, Scope
from node.proposal_views import ProposalLine, ProposalView
from node.proposals.acts import AnyAct
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given

MAX_COMMENT: Final = 5_000
Title = Annotated[str, Field(max_length=200)]


class ProposalBody(Given):
    """What is proposed; a draft is not voted on yet."""

    act: AnyAct
    title: Title = ""
    draft: bool = False


class EditBody(Given):
    """What is proposed instead; all votes are gone with it. A title of null stays."""

    act: AnyAct
    title: Title | None = None


class CommentBody(Given):
    """What one says about a proposal."""

    text: str = Field(min_length=1, max_length=MAX_COMMENT)


class VoteBody(Given):
    """A vote on what `hash` names: the hash of the proposal as it was read, or its first 12 letters or more."""

    choice: Literal["yes", "no"]
    hash: str = Field(min_length=12, max_length=64)


class ProposalsQuery(Given):
    """Which proposals."""

    state: Literal["draft", "open", "approved", "rejected", "lapsed", "in-force", "withdrawn"] | None = None


async def list_proposals(app: AppPort, who: Principal, query: ProposalsQuery) -> list[ProposalLine]:
    """Proposals, newest first."""
    return list(await app.proposals.list(who, query.state))


async def show_proposal(app: AppPort, who: Principal, pid: str) -> ProposalView:
    """A proposal: its text in sentences, what it would change, who has voted, and what happens next."""
    return await app.proposals.show(who, pid)


async def make_proposal(app: AppPort, who: Principal, body: ProposalBody) -> ProposalView:
    """Propose something to the other stewards; its impact is computed by the real gate."""
    if body.draft:
        return await app.proposals.draft(who, body.act, body.title)
    return await app.proposals.propose(who, body.act, body.title)


async def open_proposal(app: AppPort, who: Principal, pid: str) -> ProposalView:
    """Put a draft to the vote."""
    return await app.proposals.open(who, pid)


async def edit_proposal(app: AppPort, who: Principal, pid: str, body: EditBody) -> ProposalView:
    """Change one's own proposal; everybody votes again."""
    return await app.proposals.edit(who, pid, body.act, body.title)


async def comment_on_proposal(app: AppPort, who: Principal, pid: str, body: CommentBody) -> ProposalView:
    """Say something about a proposal."""
    return await app.proposals.comment(who, pid, body.text)


async def vote_on_proposal(app: AppPort, who: Principal, pid: str, body: VoteBody) -> ProposalView:
    """Vote on a proposal as one has read it."""
    return await app.proposals.vote(who, pid, body.choice, body.hash)


async def withdraw_proposal(app: AppPort, who: Principal, pid: str) -> ProposalView:
    """Take back one's own proposal."""
    return await app.proposals.withdraw(who, pid)


OPERATIONS: Final = (
    Operation("GET", "/proposals", Scope.STEWARD, list_proposals),
    Operation("POST", "/proposals", Scope.STEWARD, make_proposal, 201),
    Operation("GET", "/proposals/{pid}", Scope.STEWARD, show_proposal),
    Operation("POST", "/proposals/{pid}/open", Scope.STEWARD, open_proposal),
    Operation("POST", "/proposals/{pid}/edit", Scope.STEWARD, edit_proposal),
    Operation("POST", "/proposals/{pid}/comment", Scope.STEWARD, comment_on_proposal),
    Operation("POST", "/proposals/{pid}/vote", Scope.STEWARD, vote_on_proposal),
    Operation("POST", "/proposals/{pid}/withdraw", Scope.STEWARD, withdraw_proposal),
)
