"""What explanations answer: who gets what of a record and why, now and on a day that has passed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from node.views import View, WithheldView


class RuleView(View):
    """A rule that decided, and its reason in the reader's language."""

    id: str
    effect: str
    fields: list[str] = Field(description="what a rule that redacts covers; empty for the others")
    words: str


class GoverningView(View):
    """A permission that counts for fields of the record."""

    gid: str
    subject: str
    fields: list[str]
    active: bool
    words: str


class ExplainedView(View):
    """Why a recipient gets what of a record or of one field of it: rules, agreement and permissions as data too."""

    rid: str
    to: str
    outcome: Literal["share", "withhold", "hold"]
    words: list[str]
    fields: list[str]
    withheld: list[WithheldView]
    policy: str
    policy_version: str
    at: int
    consent: list[str] = Field(description="the grants that stand behind linked fields, in words")
    last_sent: str | None = Field(description="what the custody ledger says this peer was last told")
    field: str | None = None
    rules: list[RuleView] = Field(default_factory=list)
    agreement: str | None = Field(default=None, description="the id of the agreement that counts")
    agreement_words: list[str] = Field(default_factory=list)
    grants: list[GoverningView] = Field(default_factory=list)


class SeesView(View):
    """One who can see a record, or one field of it, now."""

    to: str
    node_id: str | None = Field(description="of a peer, or of a node that got it through others")
    sort: Literal["public", "member", "editor", "steward", "peer", "through others"]
    fields: list[str]
    agreement: str | None
    words: str


class ToldView(View):
    """What was decided for a peer at one time, with the rules and permissions as they were then."""

    at: int
    entry: Literal["put", "retract", "withdraw", "none"]
    ver: int
    fields: list[str]
    policy: str | None
    policy_version: str
    rules: list[RuleView]
    reasons: list[str]
    agreement: str | None
    agreement_words: list[str]
    grants: list[GoverningView]
    handed_over_at: int | None
    confirmed_at: int | None
    words: list[str]


class PastView(View):
    """What a peer had been told of a record by the end of a day, newest last; empty if nothing was."""

    rid: str
    to: str
    since: int
    until: int
    told: list[ToldView]
    words: list[str]
