"""What a contributor's private link shows: data for programs, and words in the contributor's language for the page.

Nothing in them speaks of another contributor's fields.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from node.views import View

Did = Literal["narrow", "renew", "widen", "withdraw", "remove", "close"]
Stands = Literal["confirmed", "waiting", "overdue"]


class PrivateLinkView(View):
    """A private link as editors see it; `secret` and `link` are told once, when it is made."""

    id: str
    subject: str
    lang: str
    by: str
    created_at: int
    expires_at: int
    revoked_at: int | None
    used_at: int | None = Field(description="the hour in which it was last opened, null if never")
    active: bool
    link: str | None = None
    secret: str | None = None


class PermissionView(View):
    """What the contributor permits for a field now; `state` none: never asked; ended and withdrawn: nothing outside."""

    gid: str | None
    state: Literal["none", "active", "ended", "withdrawn"]
    audiences: list[str]
    purposes: list[str]
    until: int | None
    words: str


class OwnFieldView(View):
    """A field that is the contributor's: what it says, and what they permit."""

    name: str
    label: str
    text: str
    shared: bool = Field(description="others stand behind it too, so it cannot be taken out by one of them alone")
    permission: PermissionView


class HolderView(View):
    """Somebody outside who has some of the contributor's fields now, or was asked to give them up."""

    node_id: str
    name: str
    direct: bool = Field(description="false: it has it through others, and what exactly is known there only")
    fields: list[str]
    since: int
    confirmed_at: int | None
    words: str


class ChoiceView(View):
    """One thing that the contributor can choose, and whether it is so now."""

    value: str
    words: str
    chosen: bool


class OwnRecordView(View):
    """A record that the contributor is linked to; `title` null where it is not theirs to read."""

    rid: str
    title: str | None
    name: str = Field(description="what the page calls it")
    kind: str
    published: bool
    updated: int
    fields: list[OwnFieldView]
    holders: list[HolderView]
    may_widen: bool = Field(description="something was permitted once that is narrower now")
    audiences: list[ChoiceView] = Field(description="what can be chosen; the empty value is all that was permitted")
    purposes: list[ChoiceView]
    ends: list[ChoiceView] = Field(description="days from now; empty: keep the end as it is; 0: no end")


class ProgressView(View):
    """How one holder stands to something that the contributor did."""

    node_id: str
    name: str
    state: Stands
    at: int = Field(description="confirmed at; else the moment by which it has to confirm")
    words: str


class TallyView(View):
    """How many holders stand so, in words."""

    state: Stands
    words: str


class ActView(View):
    """Something the contributor did here, and how far it has come."""

    id: str
    what: Did
    rid: str
    name: str
    fields: list[str]
    at: int
    gid: str = Field(description="names its receipt")
    words: str
    confirmed: int
    waiting: int
    overdue: int
    tally: list[TallyView]
    holders: list[ProgressView]


class ConsentNote(View):
    """A permission that there is a receipt for."""

    gid: str
    at: int
    words: str


class ContributorView(View):
    """Everything that a private link shows."""

    node: str
    node_id: str
    contact: str
    subject: str
    lang: str
    expires_at: int
    records: list[OwnRecordView]
    acts: list[ActView]
    receipts: list[ConsentNote]


class ConsentReceiptView(View):
    """A consent receipt: the JSON-LD, and the same signed (`jws`, compact) so that it can be proved later."""

    receipt: dict[str, Any]
    jws: str
