"""The store on a SQL database: SQLite by default, PostgreSQL by changing the URL, the same answers from both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from node.store.backend import Backend, Link
from node.store.columns import column_of, encoder
from node.store.port import StoreError, Where
from node.store.postgres import PostgresBackend
from node.store.query import Query, ask, in_order, in_order_of, split, wanted_keys
from node.store.row import Row
from node.store.sqlite import SqliteBackend
from node.store.statements import LIST_MAX, batches
from node.store.turn import Life, WriterTurn

R = TypeVar("R", bound=Row)

_DRAW = {
    True: "UPDATE sequence SET last = last + $1 WHERE name = 'node' RETURNING last",
    False: "UPDATE sequence SET last = last + ? WHERE name = 'node' RETURNING last",
}


async def open_store(url: str) -> SqlStore:
    """The store at `sqlite:///path` or `postgresql://user@host/name`, brought to this version's schema.

    StoreError, StoreCorrupt or StoreFull when it cannot be used, with what to do about it.
    """
    backend = _backend(url)
    try:
        await backend.migrate()
    except StoreError:
        await backend.close()
        raise
    except Exception as error:
        await backend.close()
        ours = backend.translated(error)
        if ours is None:
            raise
        raise ours from error
    return SqlStore(backend)


def _backend(url: str) -> Backend:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("the database URL is not one: use sqlite:///path or postgresql://user@host/name") from error
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        return SqliteBackend(parsed.database)
    if parsed.get_backend_name() == "postgresql":
        return PostgresBackend(parsed)
    raise StoreError(f"no store for {parsed.drivername}: use sqlite:///path or postgresql://user@host/name")


class SqlReader:
    """One snapshot, taken at its first question."""

    def __init__(self, backend: Backend, link: Link) -> None:
        self._backend = backend
        self._link = link
        self.life = Life()

    async def get(self, row: type[R], *key: Any) -> R | None:
        """The row with this primary key."""
        found = await self.get_many(row, [key])
        return found[0] if found else None

    async def get_many(self, row: type[R], keys: Iterable[Sequence[Any]], by: Sequence[str] = ()) -> list[R]:
        """Rows by primary key or a declared unique key."""
        self.life.check()
        names, wanted = wanted_keys(row, keys, by)
        found: list[R] = []
        for batch in batches(wanted, len(names)):
            found += await self._rows(row, *self._backend.statements.by_key(row, names, batch))
        return found

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
        """Rows by conditions, in an order."""
        self.life.check()
        query = ask(row, where, above=above, upto=upto, order=order, descending=descending, limit=limit)
        if query is None:
            return []
        parts = split(query, LIST_MAX)
        found = [r for part in parts for r in await self._rows(row, *self._backend.statements.find(part))]
        return found if len(parts) == 1 else cast(list[R], in_order(query, found))

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
        """Some columns of rows by conditions, in an order."""
        self.life.check()
        query = ask(row, where, above=above, upto=upto, order=order, descending=descending, limit=limit)
        if query is None:
            return []
        parts = split(query, LIST_MAX)
        names = tuple(columns) if len(parts) == 1 else (*columns, *query.order)  # several answers are put in order here
        found = [r for part in parts for r in await self._columns(part, names)]
        return found if len(parts) == 1 else in_order_of(query, found, len(columns))

    async def _columns(self, query: Query, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
        flags = [i for i, name in enumerate(names) if column_of(query.row, name).kind is bool]
        answer = await self._ask(*self._backend.statements.pick(query, names))
        if not flags:
            return [tuple(one) for one in answer]
        return [tuple(bool(v) if i in flags and v is not None else v for i, v in enumerate(one)) for one in answer]

    async def count(self, row: type[Row], where: Where | None = None) -> int:
        """How many rows `find` would give."""
        self.life.check()
        query = ask(row, where)
        counts = [await self._ask(*self._backend.statements.count(part)) for part in _parts(query)]
        return sum(int(answer[0][0]) for answer in counts)

    async def _rows(self, row: type[R], sql: str, values: Sequence[Any]) -> list[R]:
        decode = self._backend.decoder(row)
        return cast(list[R], [decode(one) for one in await self._ask(sql, values)])

    async def _ask(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        with translating(self._backend, self.life):
            return await self._link.fetch(sql, values)


class SqlWriter(SqlReader):
    """The one transaction at this moment."""

    async def put(self, *rows: Row) -> None:
        """Insert or replace."""
        by_kind: dict[type[Row], list[Row]] = {}
        for row in rows:  # within a table the order stays, for unique keys; tables know nothing of one another
            by_kind.setdefault(type(row), []).append(row)
        for same in by_kind.values():
            await self.put_many(same)

    async def put_many(self, rows: Sequence[Row]) -> None:
        """Insert or replace in bulk."""
        self.life.check()
        if not rows:
            return
        kind = type(rows[0])
        if any(type(row) is not kind for row in rows):
            await self.put(*rows)
            return
        with translating(self._backend, self.life):
            await self._link.many(self._backend.statements.upsert(kind), list(map(encoder(kind), rows)))

    async def delete(self, row: type[Row], where: Where | None = None, *, upto: tuple[str, Any] | None = None) -> int:
        """Delete by conditions; how many."""
        self.life.check()
        query = ask(row, where, upto=upto)
        gone = 0
        for part in _parts(query):
            with translating(self._backend, self.life):
                gone += await self._link.change(*self._backend.statements.delete(part))
        return gone

    async def next_seq(self, count: int = 1) -> int:
        """The first of `count` new numbers."""
        self.life.check()
        if count < 1:
            raise ValueError(f"cannot draw {count} numbers")
        answer = await self._ask(_DRAW[self._backend.statements.arrays], [count])
        return int(answer[0][0]) - count + 1


class SqlStore:
    """Transactions over a database."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._turn = WriterTurn()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlReader]:
        """A snapshot; it waits for no writer."""
        with translating(self._backend):
            async with self._backend.reading() as link:
                reader = SqlReader(self._backend, link)
                try:
                    yield reader
                finally:
                    reader.life.end()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqlWriter]:
        """A transaction; it waits for the one before it, also of another process."""
        async with self._turn:
            with translating(self._backend):
                async with self._backend.writing() as link:
                    writer = SqlWriter(self._backend, link)
                    try:
                        yield writer
                        writer.life.check()
                    finally:
                        writer.life.end()

    async def scrub(self) -> None:
        """Clear deleted and replaced rows from the files; StoreError when readers hold it up for too long."""
        async with self._turn:
            with translating(self._backend):
                await self._backend.scrub()

    async def check(self) -> list[str]:
        """The database's own full check, in words."""
        with translating(self._backend):
            return await self._backend.check()

    async def close(self) -> None:
        """Close all connections."""
        await self._backend.close()


def _parts(query: Query | None) -> list[Query]:
    return [] if query is None else split(query, LIST_MAX)


@contextmanager
def translating(backend: Backend, life: Life | None = None) -> Iterator[None]:
    """The driver's errors as ours; a transaction whose statement failed is over."""
    try:
        yield
    except StoreError as error:
        if life is not None:
            life.fail(error)
        raise
    except Exception as error:
        ours = backend.translated(error)
        if ours is None:
            raise
        if life is not None:
            life.fail(ours)
        raise ours from error
