"""Reports and corrections as people and programs read them."""

from __future__ import annotations

from typing import Literal

from node.views import View


class ReportView(View):
    """A report about a record: one of ours on its way, or one that came to us as the origin."""

    id: str
    rid: str
    origin: str
    origin_name: str
    title: str | None
    ver: int
    what: Literal["danger", "error", "other"]
    text: str
    mine: bool
    holder: str
    holder_name: str
    at: int
    state: Literal["sent", "open", "read", "corrected", "withdrawn", "declined"]
    answer: str
    answered_at: int | None
    hidden: bool


class CorrectionView(View):
    """A record here whose present version says that it corrects something, and our own records that build on it."""

    rid: str
    origin: str
    origin_name: str
    title: str
    ver: int
    what: Literal["harm", "error"]
    note: str
    at: int
    affects: list[str]
