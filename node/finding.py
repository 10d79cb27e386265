"""Search for people: the engine proposes, the gate decides again on what is in the database at this moment."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from governance.gate import Decision, Member, Outcome, Role
from governance.kinds import kind_label
from governance.record import META_FIELDS, text_of
from node.copies import Held
from node.core import Core
from node.errors import BadInput
from node.principal import Principal
from node.reading import Readings
from node.store.rows import Copy, State
from node.views import FacetValue, HitView, SearchView
from search.document import Viewer
from search.engine import Results, SearchEngine
from search.query import Query, Sort, make_query
from search.snippets import hits as hit_ranges
from search.snippets import snippet

FILTERS: Final = ("kind", "topic", "region", "language", "origin", "licence", "purpose")
# What a writer of Markdown types before a line or around a word, and no reader of a passage wants to see.
_MARKS: Final = re.compile(r"(?m)^ {0,3}(?:#{1,6}|>|[-*+]|\d{1,3}[.)]) +|\*\*|__")
_NOT_SHOWN: Final = frozenset(META_FIELDS) | {"title"}


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a reader asks; several values of one filter mean any of them."""

    text: str = ""
    kind: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    licence: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    sort: str = "relevance"
    offset: int = 0
    limit: int = 20
    languages: tuple[str, ...] = ()


def viewer_of(who: Principal) -> Viewer:
    """The class of viewer whose projection of every record this person may search."""
    match who.viewer:
        case Member(role=Role.STEWARD):
            return Viewer.STEWARDS
        case Member():
            return Viewer.MEMBERS
        case _:
            return Viewer.PUBLIC


class Finding:
    """Use cases of readers."""

    def __init__(self, core: Core, readings: Readings, engine: SearchEngine) -> None:
        self._core = core
        self._readings = readings
        self._engine = engine

    async def search(self, who: Principal, request: SearchRequest) -> SearchView:
        """Hits with snippets, exact total and facets, all within what `who` may see."""
        started = self._core.clock.steady()
        query = _query(request)
        results = await asyncio.to_thread(self._engine.search, query, viewer_of(who), self._core.now())
        # one view of the database for a page: each costs the way to its thread and back, several times
        found, names = await self._hits(who, results.keys, query, [n for n, _ in results.facets.get("origin", ())])
        end = query.offset + len(results.keys)
        return SearchView(
            total=results.total,
            hits=found,
            facets=_facets(results, names),
            did_you_mean=results.did_you_mean,
            took_ms=round((self._core.clock.steady() - started) * 1000, 2),
            next=str(end) if results.keys and end < results.total else None,
        )

    async def suggest(self, who: Principal, prefix: str) -> list[str]:
        """Words that begin so, in what `who` may see."""
        found = await asyncio.to_thread(self._engine.suggest, prefix, viewer_of(who), self._core.now())
        return list(found)

    async def more_like(self, who: Principal, ref: str, origin: str | None = None) -> list[HitView]:
        """Records like this one."""
        shown = await self._readings.show(who, ref, origin)
        key = f"{shown.origin}/{shown.rid}"
        keys = await asyncio.to_thread(self._engine.more_like, key, viewer_of(who), self._core.now())
        return (await self._hits(who, keys, make_query("")))[0]

    async def _hits(
        self, who: Principal, keys: Sequence[str], query: Query, nodes: Sequence[str] = ()
    ) -> tuple[list[HitView], Mapping[str, str]]:
        """The records of these keys that the gate still shows, in the engine's order; names, also of these nodes."""
        pairs = [tuple(key.rsplit("/", 1)) for key in keys]
        async with self._core.store.read() as tx:
            rows = {(r.origin, r.rid): r for r in await tx.get_many(Copy, pairs, by=("origin", "rid"))}
            situation = await self._core.situation(tx)
            passing = await self._core.passing(tx, situation, rows.values())
            names = await self._readings.names(tx, [*(origin for origin, _ in rows), *nodes])
        out = []
        for origin, rid in pairs:
            row = rows.get((origin, rid))
            if row is None or row.state != State.LIVE:
                continue
            held = Held.read(row)
            decision = self._readings.decide(held, who.viewer, situation, passing)
            if decision.outcome is Outcome.SHARE:
                out.append(_hit(held, decision, query, names))
        return out, names


def _query(request: SearchRequest) -> Query:
    try:
        sort = Sort(request.sort)
    except ValueError:
        raise BadInput(f"sort {request.sort!r} is not one of {', '.join(Sort)}") from None
    return make_query(
        request.text,
        filters={name: getattr(request, name) for name in FILTERS},
        year_from=request.year_from,
        year_to=request.year_to,
        sort=sort,
        offset=request.offset,
        limit=request.limit,
        languages=request.languages,
        languages_first=bool(request.languages),
    )


def _facets(results: Results, names: Mapping[str, str]) -> dict[str, list[FacetValue]]:
    return {
        facet: [FacetValue(value=v, label=_label(facet, v, names), count=n) for v, n in values]
        for facet, values in results.facets.items()
    }


def _label(facet: str, value: str, names: Mapping[str, str]) -> str:
    if facet == "kind":
        return kind_label(value)
    return names.get(value, value) if facet == "origin" else value


def _hit(held: Held, decision: Decision, query: Query, names: Mapping[str, str]) -> HitView:
    row, lang = held.row, held.row.lang or "und"
    values = {n: v for n, v in held.values.items() if n in decision.fields}
    body = "\n".join(filter(None, (text_of(v) for n, v in values.items() if n not in _NOT_SHOWN)))
    period = values.get("period") or {}
    year = str(period.get("to") or period.get("from") or "")[:4]
    return HitView(
        rid=row.rid,
        origin=row.origin,
        origin_name=names.get(row.origin, row.origin),
        own=row.own,
        kind=row.kind or "",
        kind_label=kind_label(row.kind or ""),
        lang=lang,
        title=_marked(held.title, lang, query),
        snippet=[(text, hit) for text, hit in snippet(_MARKS.sub("", body), lang, query)],
        topics=list(values.get("topics") or ()),
        regions=list(values.get("regions") or ()),
        licence=values.get("licence"),
        year=int(year) if year.isdecimal() else None,
        updated=row.iat or 0,
        received_at=row.received_at,
        withheld=len(held.digests) - len(decision.fields),
    )


def _marked(text: str, lang: str, query: Query) -> list[tuple[str, bool]]:
    """The whole text in pieces, hits marked."""
    out: list[tuple[str, bool]] = []
    at = 0
    for start, end in hit_ranges(text, lang, query):
        if start > at:
            out.append((text[at:start], False))
        out.append((text[start:end], True))
        at = end
    return [*out, (text[at:], False)] if at < len(text) else out
