"""API operations on reports and corrections. Each is one call of a use case."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from federation.letters import MAX_LETTER_CHARS, Answered, What
from node.principal import Principal, Scope
from node.reports.views import CorrectionView, ReportView
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given


class ReportBody(Given):
    """What a reader reports; `hide` keeps the record from everybody but stewards here until they have looked."""

    what: What
    text: str = Field(max_length=MAX_LETTER_CHARS)
    origin: str | None = None
    hide: bool = False


class AnswerBody(Given):
    """What the origin did, and its words to whoever reported."""

    done: Answered
    text: str = Field(max_length=MAX_LETTER_CHARS)


class ReportsQuery(Given):
    """Which reports."""

    state: Literal["sent", "open", "read", "corrected", "withdrawn", "declined"] | None = None


async def list_reports(app: AppPort, who: Principal, query: ReportsQuery) -> list[ReportView]:
    """Reports about records: all of them for stewards, for others their own."""
    return list(await app.reports.list(who, state=query.state))


async def report_record(app: AppPort, who: Principal, ref: str, body: ReportBody) -> ReportView:
    """Tell the origin of a record that somebody is in danger or something is wrong."""
    return await app.reports.report(who, ref, what=body.what, text=body.text, origin=body.origin, hide=body.hide)


async def answer_report(app: AppPort, who: Principal, report_id: str, body: AnswerBody) -> ReportView:
    """Answer a report about a record of ours."""
    return await app.reports.answer(who, report_id, done=body.done, text=body.text)


async def list_corrections(app: AppPort, who: Principal) -> list[CorrectionView]:
    """Records that correct something in their earlier versions, and our own that build on them."""
    return list(await app.reports.corrections(who))


OPERATIONS: Final = (
    Operation("GET", "/reports", Scope.READ, list_reports),
    Operation("POST", "/records/{ref}/report", Scope.READ, report_record, 201),
    Operation("POST", "/reports/{report_id}/answer", Scope.STEWARD, answer_report),
    Operation("GET", "/corrections", Scope.READ, list_corrections),
)
