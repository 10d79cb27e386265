"""Reports that answer from one report in memory: enough to drive every route."""

from __future__ import annotations

from collections.abc import Sequence

from node.errors import NotAllowed, NotFound
from node.principal import Principal
from node.reports.views import CorrectionView, ReportView


class FakeReports:
    """One report about one record."""

    def __init__(self, rid: str, origin: str, now: int) -> None:
        self._one = ReportView(
            id="report-1", rid=rid, origin=origin, origin_name="River House", title="Water", ver=1, what="danger",
            text="A name can be guessed.", mine=False, holder=origin, holder_name="River House", at=now, state="open",
            answer="", answered_at=None, hidden=False,
        )  # fmt: skip
        self._correction = CorrectionView(
            rid=rid, origin=origin, origin_name="River House", title="Water", ver=2, what="error", note="Two litres.",
            at=now, affects=[],
        )  # fmt: skip

    async def report(
        self, who: Principal, ref: str, *, what: str, text: str, origin: str | None = None, hide: bool = False
    ) -> ReportView:
        if not who.known:
            raise NotAllowed("reporting needs an account of this node")
        return self._one.model_copy(update={"what": what, "text": text, "hidden": hide})

    async def answer(self, who: Principal, report_id: str, *, done: str, text: str) -> ReportView:
        who.need("steward")
        if report_id != self._one.id:
            raise NotFound(f"no report {report_id!r} here")
        return self._one.model_copy(update={"state": done, "answer": text})

    async def list(self, who: Principal, *, state: str | None = None) -> Sequence[ReportView]:
        if not who.known:
            raise NotAllowed("reports are for people with an account here")
        return [self._one]

    async def corrections(self, who: Principal) -> Sequence[CorrectionView]:
        return [self._correction]
