"""Peers, what is agreed with them, what would flow and what did, and circles, as people and programs read them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from node.views import View


class AgreementView(View):
    """An agreement, as data and in words."""

    id: str
    ours: str
    theirs: str
    purposes: list[str]
    kinds: list[str]
    topics: list[str]
    passing_on: bool
    attachments: bool
    response_h: int
    at_end: Literal["erase", "keep"]
    starts: int
    until: int | None
    review: int | None = None
    conflict: str = ""
    suspend_overdue: bool = False
    signed_by_us: bool
    signed_by_them: bool
    words: list[str]
    signed_words: list[str] = Field(default=[], description="what was signed, where it is not `words`")
    signed_lang: str | None = None
    words_warning: str = ""


class FlowView(View):
    """What would flow to a peer if the agreement were active now: counts and examples from the real gate."""

    records: int
    fields: int
    by_kind: dict[str, int]
    examples: list[str]
    withheld: int
    reasons: dict[str, int] = Field(description="reason in words to number of records")


class PeerView(View):
    """A peer and where we are with it."""

    node_id: str
    name: str
    phase: str
    six_words: str
    urls: list[str]
    regions: list[str]
    languages: list[str]
    agreement: AgreementView | None
    proposal: AgreementView | None
    sent: int = Field(description="copies it should hold from us")
    received: int = Field(description="copies it offers us")
    last_sync_at: int | None
    last_contact_at: int | None
    next_sync_at: int
    last_error: str
    failures: int
    reminders: list[str] = Field(default=[], description="what is due: an end, a review, a confirmation")
    misconduct: int = Field(description="times it sent what no honest node sends: forged, not its to pass, not to form")
    log_alarm: str = Field(default="", description="what its audit log contradicts of what we had witnessed")


class InviteView(View):
    """An invitation to hand over; `link` and `text` say the same, `qr` is drawn from the link."""

    id: str
    link: str
    text: str
    expires_at: int


class SyncView(View):
    """What one session with one peer did."""

    peer: str
    node_id: str
    ok: bool
    error: str
    pages: int = 0
    received: int = 0
    changed: int = 0
    retracted: int = 0
    withdrawn: int = 0
    refused: int = 0
    sent: int = 0
    sent_retracted: int = 0
    sent_withdrawn: int = 0
    attachments: int = 0
    repaired: int = 0
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    took_ms: float = 0
    waits: bool = False  # the peer has no address: nothing was done, it opens the line to us


class CircleView(View):
    """A circle and its members."""

    cid: str
    audience: str
    own: bool
    seq: int
    members: list[str]
