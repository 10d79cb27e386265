"""The store in memory, for the simulator and for tests: same answers as the SQL stores, nothing kept.

A writer changes the tables in place and remembers what was there; readers that are open meanwhile are handed the
former rows, so they keep their view and never wait.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, TypeVar, cast

from node.store.columns import encoder
from node.store.port import StoreConflict, StoreError, Where
from node.store.query import AnyOf, Query, ask, in_order, sortable, wanted_keys
from node.store.row import Row
from node.store.rows import ALL_ROWS
from node.store.turn import Life, WriterTurn

R = TypeVar("R", bound=Row)
Key = tuple[Any, ...]
Before = dict[tuple[type[Row], Key], Row | None]


class _Table:
    """The rows of one table, with an ordered index for every declared key and index."""

    def __init__(self, row: type[Row]) -> None:
        self.row = row
        self.rows: dict[Key, Row] = {}
        self.unique: dict[tuple[str, ...], dict[Key, Key]] = {names: {} for names in row.UNIQUE}
        self.ordered: dict[tuple[str, ...], list[tuple[Any, ...]]] = {
            names: [] for names in dict.fromkeys((row.KEY, *row.UNIQUE, *row.INDEX))
        }

    def replace(self, key: Key, new: Row | None) -> Row | None:
        """Put or remove a row; the row that was there."""
        old = self.rows.get(key)
        if old is not None:
            self._unlist(key, old)
        if new is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = new
            self._list(key, new)
        return old

    def owner(self, names: tuple[str, ...], row: Row) -> Key | None:
        """Who has this unique value already."""
        return self.unique[names].get(_values(row, names))

    def _list(self, key: Key, row: Row) -> None:
        for names, taken in self.unique.items():
            values = _values(row, names)
            if None not in values:
                taken[values] = key
        for names, entries in self.ordered.items():
            insort(entries, _entry(row, names, key))

    def _unlist(self, key: Key, row: Row) -> None:
        for names, taken in self.unique.items():
            values = _values(row, names)
            # Undoing a transaction gives values back row by row: another row may have its value again already.
            if taken.get(values) == key:
                del taken[values]
        for names, entries in self.ordered.items():
            del entries[bisect_left(entries, _entry(row, names, key))]

    def candidates(self, query: Query) -> tuple[Iterable[Row], bool]:
        """Rows among which all answers are, and whether they come in the order asked for."""
        single = {t.column: t for t in query.terms if len(t.values) + t.null == 1}
        names = max(self.ordered, key=lambda n: _usefulness(n, single, query))
        prefix = _leading(names, single)
        low: tuple[Any, ...] = tuple(sortable(_only(single[n])) for n in names[:prefix])
        high = low
        rest = names[prefix:]
        if rest and query.above and query.above[0] == rest[0]:
            low = (*low, sortable(query.above[1]))
        if rest and query.upto and query.upto[0] == rest[0]:
            high = (*high, sortable(query.upto[1]))
        entries = self.ordered[names]
        start, stop = bisect_left(entries, low), bisect_left(entries, (*high, _Top()))
        listed = tuple(n for n in (*rest, *self.row.KEY) if n not in single)
        asked = tuple(n for n in query.order if n not in single)
        return self._walk(entries, start, stop, query.descending), _distinct(listed)[: len(asked)] == asked

    def _walk(self, entries: list[tuple[Any, ...]], start: int, stop: int, descending: bool) -> Iterator[Row]:
        places = range(stop - 1, start - 1, -1) if descending else range(start, stop)
        return (self.rows[entries[i][-1]] for i in places)


class _Top:
    """Sorts after everything."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


def _values(row: Row, names: Iterable[str]) -> Key:
    return tuple([getattr(row, name) for name in names])


def _entry(row: Row, names: tuple[str, ...], key: Key) -> tuple[Any, ...]:
    return (*[sortable(getattr(row, name)) for name in names], *[sortable(k) for k in key], key)


def _only(term: AnyOf) -> Any:
    return term.values[0] if term.values else None


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _leading(names: tuple[str, ...], single: dict[str, AnyOf]) -> int:
    return next((i for i, name in enumerate(names) if name not in single), len(names))


def _usefulness(names: tuple[str, ...], single: dict[str, AnyOf], query: Query) -> tuple[int, int]:
    prefix = _leading(names, single)
    following = names[prefix] if prefix < len(names) else None
    bounded = following in {b[0] for b in (query.above, query.upto) if b}
    return prefix, 2 * bounded + (following == query.order[0])


def _answers(query: Query, row: Row) -> bool:
    for term in query.terms:
        value = getattr(row, term.column)
        if value is None:
            if not term.null:
                return False
        elif value not in term.values:
            return False
    for bound, over in ((query.above, True), (query.upto, False)):
        if bound is not None:
            value = getattr(row, bound[0])
            if value is None or (value > bound[1]) is not over:
                return False
    return True


class _View:
    """Rows as a reader sees them: the tables, except where `before` has what was there at its start."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.life = Life()

    def before(self) -> Before:
        """Rows that differ from the tables for this view."""
        return {}

    async def get(self, row: type[R], *key: Any) -> R | None:
        found = await self.get_many(row, [key])
        return found[0] if found else None

    async def get_many(self, row: type[R], keys: Iterable[Sequence[Any]], by: Sequence[str] = ()) -> list[R]:
        self.life.check()
        names, wanted = wanted_keys(row, keys, by)
        table, before = self._store.tables[row], self.before()
        if names == row.KEY:
            found = [before[row, k] if (row, k) in before else table.rows.get(k) for k in wanted]
            return cast(list[R], [r for r in found if r is not None])
        taken = table.unique[names]
        rows = [table.rows[taken[k]] for k in wanted if k in taken and (row, taken[k]) not in before]
        former = {_values(r, names): r for (t, _), r in before.items() if t is row and r is not None}
        return cast(list[R], rows + [former[k] for k in wanted if k in former])

    async def find(
        self,
        row: type[R],
        where: Where | None = None,
        *,
        above: tuple[str, Any] | None = None,
        upto: tuple[str, Any] | None = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[R]:
        self.life.check()
        query = ask(row, where, above=above, upto=upto, order=order, descending=descending, limit=limit)
        return [] if query is None else self._answer(query)

    async def pick(
        self,
        row: type[Row],
        columns: Sequence[str],
        where: Where | None = None,
        *,
        above: tuple[str, Any] | None = None,
        upto: tuple[str, Any] | None = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[tuple[Any, ...]]:
        found = await self.find(row, where, above=above, upto=upto, order=order, descending=descending, limit=limit)
        return [_values(one, columns) for one in found]

    async def count(self, row: type[Row], where: Where | None = None) -> int:
        return len(await self.find(row, where))

    def _answer(self, query: Query) -> list[Any]:
        row, before = query.row, self.before()
        rows, ordered = self._store.tables[row].candidates(query)
        matching = (r for r in rows if _answers(query, r))
        if before:
            matching = (r for r in matching if (row, r.key()) not in before)
            former = [r for (t, _), r in before.items() if t is row and r is not None and _answers(query, r)]
            return in_order(query, [*matching, *former])
        return list(islice(matching, query.limit)) if ordered else in_order(query, matching)


class MemoryReader(_View):
    """A view that stays as it was at its first question, whatever writers do meanwhile."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.former: Before | None = None

    def before(self) -> Before:
        if self.former is None:
            self.former = dict(self._store.undo)
        return self.former


class MemoryWriter(_View):
    """A transaction; what it replaced is kept until it ends, for undoing and for the readers."""

    async def put(self, *rows: Row) -> None:
        self.life.check()
        try:
            for row in rows:
                encoder(type(row))(row)
        except StoreError as error:
            self.life.fail(error)
            raise
        for row in rows:
            self._put(row)

    async def put_many(self, rows: Sequence[Row]) -> None:
        await self.put(*rows)

    async def delete(self, row: type[Row], where: Where | None = None, *, upto: tuple[str, Any] | None = None) -> int:
        doomed = await self.find(row, where, upto=upto)
        for one in doomed:
            self._store.replace(row, one.key(), None)
        return len(doomed)

    async def next_seq(self, count: int = 1) -> int:
        self.life.check()
        if count < 1:
            raise ValueError(f"cannot draw {count} numbers")
        first = self._store.last_seq + 1
        self._store.last_seq += count
        return first

    def _put(self, row: Row) -> None:
        kind, key = type(row), row.key()
        table = self._store.tables[kind]
        for names in kind.UNIQUE:
            if table.owner(names, row) not in (None, key):
                conflict = StoreConflict(f"{kind.TABLE}: another row has the same {', '.join(names)}")
                self.life.fail(conflict)
                raise conflict
        self._store.replace(kind, key, row)


class MemoryStore:
    """All tables in dictionaries."""

    def __init__(self) -> None:
        self.tables = {row: _Table(row) for row in ALL_ROWS}
        self.undo: Before = {}
        self.last_seq = 0
        self._turn = WriterTurn()
        self._readers: set[MemoryReader] = set()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[MemoryReader]:
        """A view of what was committed."""
        reader = MemoryReader(self)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            reader.life.end()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[MemoryWriter]:
        """The one transaction at this moment."""
        async with self._turn:
            writer, last_seq = MemoryWriter(self), self.last_seq
            try:
                yield writer
                writer.life.check()
            except BaseException:
                for (row, key), old in list(self.undo.items()):
                    self.tables[row].replace(key, old)
                self.last_seq = last_seq
                raise
            finally:
                self.undo = {}
                writer.life.end()

    def replace(self, row: type[Row], key: Key, new: Row | None) -> None:
        """Change one row, keeping what was there for undoing and for open readers."""
        old = self.tables[row].replace(key, new)
        self.undo.setdefault((row, key), old)
        for reader in self._readers:
            if reader.former is not None:
                reader.former.setdefault((row, key), old)

    async def scrub(self) -> None:
        """Nothing is on disk."""

    async def check(self) -> list[str]:
        """Nothing can be damaged."""
        return []

    async def close(self) -> None:
        """Forget everything."""
        self.tables = {row: _Table(row) for row in ALL_ROWS}
