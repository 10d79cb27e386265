"""API operations that foresee and explain. Each is one call of a use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from node.errors import BadInput
from node.explaining.views import PastView, SeesView
from node.previews.foreseeing import Wish
from node.previews.views import PreviewLine
from node.principal import Principal, Scope
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given


class WhoQuery(Given):
    """Whose record, as in `OriginQuery`; and one field of it, or the record as a whole."""

    origin: str | None = None
    field: str | None = None


class PastQuery(WhoQuery):
    """For which peer, and the day (YYYY-MM-DD, in UTC)."""

    to: str
    on: str


async def preview_change(app: AppPort, who: Principal, body: Wish) -> AsyncIterator[PreviewLine]:
    """What a change would do, peer by peer, by the real gate: lines of progress, then the impact; nothing changes."""
    async for line in app.foreseeing.preview(who, body):
        yield line


async def who_sees_record(app: AppPort, who: Principal, ref: str, query: WhoQuery) -> list[SeesView]:
    """Who can see a record, or one field of it, now, and through which agreement."""
    return list(await app.explain.who_sees(who, ref, query.origin, query.field))


async def explain_past(app: AppPort, who: Principal, ref: str, query: PastQuery) -> PastView:
    """What a peer had been told of a record by the end of a day, and why, as it was recorded then."""
    return await app.explain.past(who, ref, query.to, _day(query.on), query.origin, query.field)


def _day(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise BadInput(f"on: {text!r} is no day; write it as 2026-03-03") from error


OPERATIONS: Final = (
    Operation("POST", "/preview", Scope.STEWARD, preview_change),
    Operation("GET", "/records/{ref}/explain/who", Scope.WRITE, who_sees_record),
    Operation("GET", "/records/{ref}/explain/past", Scope.WRITE, explain_past),
)
