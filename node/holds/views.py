"""Emergency holds as people and programs read them."""

from __future__ import annotations

from typing import Literal

from node.views import View


class HoldView(View):
    """A hold of this node, or (`asked`) what another origin asks to hide; `told` and `reached` count peers."""

    hid: str
    scope: Literal["record", "peer", "circle", "all"]
    target: str
    origin: str
    name: str
    by: str
    at: int
    note: str
    lifted_at: int | None
    lifted_by: str
    asked: bool
    told: int
    reached: int
