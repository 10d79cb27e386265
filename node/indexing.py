"""The search index follows the database: what each class of viewer may see of a record, by the gate, and nothing else.

The index is disposable (invariant 9): it remembers up to which change it is right, and is rebuilt when it is damaged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from typing import Final

from governance.gate import Member, Outcome, Public, Recipient, Role
from governance.record import META_FIELDS, text_of
from node.copies import Held, next_end
from node.core import Core
from node.erasure import index_key
from node.peerbook import Situation
from node.reading import Readings
from node.store.rows import Copy, State
from search.document import Entry, Viewer
from search.engine import SearchEngine

BATCH: Final = 500  # records read, decided and analysed at once: some megabytes
COMMIT_RECORDS: Final = 4_000  # while more is behind: spreads a commit's 20-40 ms and its wait, visible after seconds

VIEWERS: Final[tuple[tuple[Viewer, Recipient], ...]] = (
    (Viewer.PUBLIC, Public()),
    (Viewer.MEMBERS, Member(Role.MEMBER)),
    (Viewer.STEWARDS, Member(Role.STEWARD)),
)
_NOT_IN_TEXT: Final = frozenset(META_FIELDS) - {"topics"} | {"title"}


class Indexing:
    """The one writer of the index."""

    def __init__(self, core: Core, readings: Readings, engine: SearchEngine) -> None:
        self._core = core
        self._readings = readings
        self._engine = engine
        self._lock = asyncio.Lock()
        # How far the engine was fed, and how many records of that wait for its commit.
        self._fed: int | None = None
        self._waiting = 0

    @property
    def engine(self) -> SearchEngine:
        """The engine that is fed."""
        return self._engine

    async def follow(self) -> int:
        """Index every change since the last time; how many records."""
        total = 0
        while fed := await self._feed():
            total += fed
        return total

    async def _feed(self) -> int:
        """Index the next page; how many records, 0 when the index is right.

        While more is behind, pages are handed over without a commit, and committed together now and then.
        """
        async with self._lock:
            above = self._fed if self._fed is not None else await asyncio.to_thread(self._engine.position)
            async with self._core.store.read() as tx:
                rows = await tx.find(Copy, above=("change_seq", above), order="change_seq", limit=BATCH)
                situation = await self._core.situation(tx)
                passing = await self._core.passing(tx, situation, rows)
            self._waiting += len(rows)
            more = len(rows) == BATCH and self._waiting < COMMIT_RECORDS
            if not rows and not self._waiting:
                return 0
            # Until the engine has taken the page, and when it refused, only the engine knows how far it is.
            self._fed, self._waiting, waiting = None, 0, self._waiting
            upto = rows[-1].change_seq if rows else above
            await asyncio.to_thread(self._hand_over, rows, situation, passing, upto, more)
            if more:
                self._fed, self._waiting = upto, waiting
            return len(rows)

    def _hand_over(
        self, rows: Sequence[Copy], situation: Situation, passing: Container[int], upto: int, more: bool
    ) -> None:
        entries = self._entries(rows, situation, passing)
        present = {e.key for e in entries}
        gone = [k for k in map(index_key, rows) if k not in present]
        self._engine.apply(entries, gone, upto, more=more)

    async def stopped(self, *, broadly: bool) -> None:
        """Let nobody find what has just been put on hold; where that is more than a record, the index begins anew."""
        if not broadly:
            await self.follow()
            return
        async with self._lock:
            self._fed, self._waiting = None, 0
            await asyncio.to_thread(self._engine.clear)

    async def renew(self, ids: Sequence[int]) -> None:
        """Decide these copies again, though they have not changed."""
        async with self._lock:
            upto = self._fed if self._fed is not None else await asyncio.to_thread(self._engine.position)
            async with self._core.store.read() as tx:
                rows = await tx.get_many(Copy, [(n,) for n in ids])
                situation = await self._core.situation(tx)
                passing = await self._core.passing(tx, situation, rows)
            self._fed, self._waiting = None, 0
            await asyncio.to_thread(self._hand_over, rows, situation, passing, upto, False)

    async def behind(self) -> int:
        """How many changes the index has not seen yet."""
        position = await asyncio.to_thread(self._engine.position)
        async with self._core.store.read() as tx:
            newer = await tx.find(Copy, above=("change_seq", position), order="change_seq", limit=BATCH)
        return len(newer)

    async def rebuild(self) -> AsyncIterator[tuple[int, int]]:
        """Make the index anew; yields (done, total). Searches find what is there so far."""
        async with self._lock:
            self._fed, self._waiting = None, 0
            await asyncio.to_thread(self._engine.clear)
        async with self._core.store.read() as tx:
            total = await tx.count(Copy)
        done = 0
        yield done, total
        while fed := await self._feed():
            done += fed
            yield done, total

    async def erase(self, keys: Sequence[str]) -> None:
        """No byte of what these records said before is left in the index when this returns."""
        loop = asyncio.get_running_loop()

        def refetch(wanted: Sequence[str]) -> list[Entry]:
            return asyncio.run_coroutine_threadsafe(self._fetch(wanted), loop).result()

        async with self._lock:
            await asyncio.to_thread(self._engine.erase, list(keys), refetch)

    async def _fetch(self, keys: Sequence[str]) -> list[Entry]:
        pairs = [tuple(key.rsplit("/", 1)) for key in keys]
        async with self._core.store.read() as tx:
            rows = await tx.get_many(Copy, pairs, by=("origin", "rid"))
            situation = await self._core.situation(tx)
            passing = await self._core.passing(tx, situation, rows)
        return self._entries(rows, situation, passing)

    def _entries(self, rows: Sequence[Copy], situation: Situation, passing: Container[int]) -> list[Entry]:
        out = []
        for row in rows:
            if row.state == State.LIVE:
                out += self._project(Held.read(row), situation, passing)
        return out

    def _project(self, held: Held, situation: Situation, passing: Container[int]) -> list[Entry]:
        """One entry for each different set of fields that some viewers see."""
        seen: dict[frozenset[str], set[Viewer]] = {}
        for viewer, recipient in VIEWERS:
            decision = self._readings.decide(held, recipient, situation, passing)
            if decision.outcome is Outcome.SHARE:
                seen.setdefault(decision.fields, set()).add(viewer)
        return [_entry(held, fields, frozenset(viewers), situation.now) for fields, viewers in seen.items()]


def _entry(held: Held, fields: frozenset[str], viewers: frozenset[Viewer], now: int) -> Entry:
    row = held.row
    values = {n: v for n, v in held.values.items() if n in fields}
    period = values.get("period")
    return Entry(
        key=index_key(row),
        viewers=viewers,
        lang=row.lang or "und",
        title=str(values["title"]),
        text="\n\n".join(filter(None, (text_of(v) for n, v in values.items() if n not in _NOT_IN_TEXT))),
        kind=row.kind or "",
        origin=row.origin,
        topics=tuple(values.get("topics") or ()),
        regions=tuple(values.get("regions") or ()),
        purposes=tuple(sorted(held.terms["title"].purposes)),
        year=_year(period if isinstance(period, dict) else {}),
        licence=str(values.get("licence") or ""),
        updated=row.iat or 0,
        until=next_end((held.terms[n] for n in fields), now),
    )


def _year(period: dict[str, object]) -> int | None:
    text = str(period.get("to") or period.get("from") or "")[:4]
    return int(text) if text.isdecimal() else None
