"""A search from a query string: the same for the API and the page."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from governance.kinds import KINDS
from governance.terms import Purpose
from node.errors import BadInput
from node.finding import SearchRequest
from node.principal import Principal
from node.views import SearchView
from node.web.cursors import unwrap, wrap
from node.web.ports import AppPort
from node.web.requests import SearchQuery

SEARCH: Final = "search"
FILTERS: Final = ("kind", "topic", "region", "language", "origin", "licence", "purpose")


def request_of(query: SearchQuery, offset: int) -> SearchRequest:
    """The use case's request."""
    filters = {name: tuple(getattr(query, name)) for name in FILTERS}
    return SearchRequest(
        text=query.q,
        **filters,
        year_from=query.year_from,
        year_to=query.year_to,
        sort=query.sort,
        offset=offset,
        limit=query.limit,
        languages=tuple(query.languages),
    )


def offset_of(query: SearchQuery) -> int:
    """Where the page begins; `BadInput` for a cursor of another list."""
    inner = unwrap(SEARCH, query.after)
    return int(inner) if inner and inner.isdecimal() else 0


def check_purposes(asked: Iterable[str]) -> None:
    """`BadInput` for a purpose that is none."""
    for purpose in asked:
        if purpose not in tuple(Purpose):
            raise BadInput(f"purpose: {purpose[:80]!r} is no purpose; use {', '.join(Purpose)}")


def check_kinds(asked: Iterable[str], seen: Container[str]) -> None:
    """`BadInput` for a kind that neither we know nor the answer holds: a slip of the pen looks like an empty library.

    A kind of a later version passes where the reader sees a record of it; what they may not see tells nothing.
    """
    for kind in asked:
        if kind not in KINDS and kind not in seen:
            raise BadInput(f"kind: {kind[:80]!r} is no kind of record; use {', '.join(KINDS)}")


async def run_search(app: AppPort, who: Principal, query: SearchQuery) -> SearchView:
    """The answer with a cursor of ours, since an offset is the engine's business."""
    offset = offset_of(query)
    found = await app.find.search(who, request_of(query, offset))
    end = offset + len(found.hits)
    more = found.hits and end < found.total
    return found.model_copy(update={"next": wrap(SEARCH, str(end)) if more else None})
