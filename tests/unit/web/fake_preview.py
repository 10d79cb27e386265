"""Stands for the use cases that foresee and explain."""

from __future__ import annotations

from collections.abc import AsyncIterator

from node.explaining.views import ExplainedView, PastView, SeesView
from node.previews.foreseeing import Wish
from node.previews.views import ImpactView, PreviewLine
from node.principal import Principal


class FakeExplain:
    """One answer to each question."""

    def __init__(self, now: int) -> None:
        self._now = now

    async def explain(
        self, who: Principal, ref: str, to: str, origin: str | None = None, field: str | None = None
    ) -> ExplainedView:
        return ExplainedView(
            rid=ref, to=to, outcome="share", words=["Shared."], fields=["title"], withheld=[], policy="careful",
            policy_version="1", at=self._now, consent=[], last_sent=None, field=field,
        )  # fmt: skip

    async def who_sees(
        self, who: Principal, ref: str, origin: str | None = None, field: str | None = None
    ) -> list[SeesView]:
        return [SeesView(to="public", node_id=None, sort="public", fields=["title"], agreement=None, words="Everyone.")]

    async def past(
        self, who: Principal, ref: str, to: str, on: int, origin: str | None = None, field: str | None = None
    ) -> PastView:
        return PastView(rid=ref, to=to, since=on, until=on + 86_399, told=[], words=["Nothing."])


class FakeForeseeing:
    """A preview in two lines."""

    def __init__(self, now: int) -> None:
        self._now = now

    async def preview(self, who: Principal, wish: Wish) -> AsyncIterator[PreviewLine]:
        who.need("steward")
        yield PreviewLine(done=0, total=1)
        impact = ImpactView(
            at=self._now,
            records=1,
            peers=[],
            unchanged=1,
            contributors=[],
            digest="00",
            words=["Nothing would change."],
        )
        yield PreviewLine(done=1, total=1, impact=impact)
