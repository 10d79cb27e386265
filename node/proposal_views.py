"""What use cases around proposals answer; see `node.views`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from node.views import View


class VoteView(View):
    """What one steward said. It counts while they are a steward, and for the text and preview they saw."""

    account: str
    choice: str
    at: int
    counts: bool


class CommentView(View):
    """What somebody said about a proposal."""

    account: str
    at: int
    text: str


class ProposalView(View):
    """Something that stewards decide together, for people and programs."""

    pid: str
    kind: str
    title: str
    state: str
    by: str
    created_at: int
    opened_at: int | None
    closes_at: int | None
    approved_at: int | None
    due_at: int | None = Field(description="when it is carried out, once enough have said yes")
    done_at: int | None
    hash: str = Field(description="of text and preview; a vote names it")
    act: dict[str, Any] = Field(description="what is proposed, as data")
    words: list[str] = Field(description="what is proposed, in sentences")
    impact: Any = Field(description="what would be shared, stop or change, by the real gate; null if nothing could")
    yes: int
    no: int
    needed: int
    missing: int = Field(description="how many have still to say yes")
    stewards: list[str]
    votes: list[VoteView]
    comments: list[CommentView]
    note: str = Field(description="why it ended as it did, if that is not in the votes")
    next: str = Field(description="what happens next, and when")


class ProposalLine(View):
    """One line of the list of proposals."""

    pid: str
    kind: str
    title: str
    state: str
    by: str
    created_at: int
    closes_at: int | None
    note: str
