"""Holds in memory: enough to drive every route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from node.errors import NotFound
from node.holds.holding import Shown
from node.holds.views import HoldView
from node.principal import Principal


class FakeHolds:
    """Everything was put on hold once."""

    def __init__(self, now: int) -> None:
        self._one = HoldView(
            hid="hold-1", scope="all", target="", origin="", name="everything", by="amal", at=now, note="",
            lifted_at=None, lifted_by="", asked=False, told=2, reached=1,
        )  # fmt: skip
        self._now = now

    async def hold(
        self, who: Principal, scope: str, target: str, note: str = "", origin: str | None = None
    ) -> HoldView:
        who.need("steward")
        return self._one.model_copy(update={"scope": cast(Shown, scope), "target": target, "note": note})

    async def lift(self, who: Principal, hid: str) -> HoldView:
        who.need("steward")
        if hid != self._one.hid:
            raise NotFound(f"no hold {hid!r} here")
        return self._one.model_copy(update={"lifted_at": self._now})

    async def list(self, who: Principal, *, every: bool = False) -> Sequence[HoldView]:
        who.need("write")
        return [self._one]
