"""A store that keeps everything twice, in memory and in a real SQLite file, and lets no answer of one differ.

So a schedule runs on the SQL that a node runs, while whoever watches it still sees each change. SQLite is called at
once, in the loop's own thread: the threads of its driver know nothing of virtual time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from sqlalchemy import create_engine

from node.store.memory import MemoryStore
from node.store.port import Where
from node.store.row import Row
from node.store.rows import ALL_ROWS
from node.store.schema import upgrade
from node.store.sql import SqlStore
from node.store.sqlite import SqliteBackend
from tests.simulator.loop import VirtualLoop, at_once
from tests.simulator.nodes import SimStore
from tests.world import Snapshot

R = TypeVar("R", bound=Row)

# As a node has it, but for the disk: nobody pulls the plug of this machine in a schedule.
PRAGMAS: Final = ("journal_mode = WAL", "synchronous = OFF", "secure_delete = ON", "foreign_keys = ON")


@cache
def _schema() -> bytes:
    """An empty database of this version; made once, since all migrations take longer than a schedule's first day."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        return path.read_bytes()


class DirectLink:
    """A connection's own calls, done at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        return self._connection.execute(sql, values).fetchall()

    async def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection.executemany(sql, rows)

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        return self._connection.execute(sql, values).rowcount


class DirectBackend(SqliteBackend):
    """A node's SQL, without its threads."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._file = path
        path.write_bytes(_schema())
        self._idle: list[sqlite3.Connection] = []

    def _open(self) -> sqlite3.Connection:
        if self._idle:
            return self._idle.pop()
        connection = sqlite3.connect(self._file, isolation_level=None)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[DirectLink]:  # type: ignore[override]
        connection = self._open()
        connection.execute("BEGIN")
        try:
            yield DirectLink(connection)
        finally:
            connection.execute("ROLLBACK")
            self._idle.append(connection)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[DirectLink]:  # type: ignore[override]
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield DirectLink(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        finally:
            self._idle.append(connection)

    async def check(self) -> list[str]:
        connection = self._open()
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        self._idle.append(connection)
        return [] if found == ["ok"] else found

    async def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def _same(question: str, memory: object, sql: object) -> None:
    """An error in whatever asked, and in the schedule even where that is caught."""
    if memory == sql:
        return
    error = AssertionError(f"SQLite answers {question} otherwise than memory:\n{sql!r}\n{memory!r}")
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.faults.append(error)
    raise error


class TwofoldReader:
    """Asks both."""

    def __init__(self, memory: Any, sql: Any) -> None:
        self._memory = memory
        self._sql = sql

    async def get(self, row: type[R], *key: Any) -> R | None:
        answer: R | None = await self._memory.get(row, *key)
        _same(f"get {row.TABLE}", answer, await self._sql.get(row, *key))
        return answer

    async def get_many(self, row: type[R], keys: Iterable[Sequence[Any]], by: Sequence[str] = ()) -> list[R]:
        wanted = list(keys)
        answers = [await side.get_many(row, wanted, by) for side in (self._memory, self._sql)]
        _same(f"get_many {row.TABLE}", *[{r.key(): r for r in rows} for rows in answers])  # in any order
        return list(answers[1])

    async def find(self, row: type[R], where: Where | None = None, **more: Any) -> list[R]:
        answers = [await side.find(row, where, **more) for side in (self._memory, self._sql)]
        _same(f"find {row.TABLE} {where} {more}", *answers)
        return list(answers[1])

    async def pick(self, row: type[Row], columns: Sequence[str], where: Where | None = None, **more: Any) -> Any:
        answers = [await side.pick(row, columns, where, **more) for side in (self._memory, self._sql)]
        _same(f"pick {row.TABLE} {where} {more}", *answers)
        return answers[1]

    async def count(self, row: type[Row], where: Where | None = None) -> int:
        number = await self._memory.count(row, where)
        _same(f"count {row.TABLE} {where}", number, await self._sql.count(row, where))
        return int(number)


class TwofoldWriter(TwofoldReader):
    """Tells both."""

    async def put(self, *rows: Row) -> None:
        await self._memory.put(*rows)
        await self._sql.put(*rows)

    async def put_many(self, rows: Sequence[Row]) -> None:
        await self._memory.put_many(rows)
        await self._sql.put_many(rows)

    async def delete(self, row: type[Row], where: Where | None = None, **more: Any) -> int:
        gone = await self._memory.delete(row, where, **more)
        _same(f"delete {row.TABLE} {where} {more}", gone, await self._sql.delete(row, where, **more))
        return int(gone)

    async def next_seq(self, count: int = 1) -> int:
        first = await self._memory.next_seq(count)
        _same("next_seq", first, await self._sql.next_seq(count))
        return int(first)


class _Twofold(MemoryStore):
    """Below whatever can go wrong in a simulated process, so that both commit or none."""

    sql: SqlStore

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        async with super().read() as memory, self.sql.read() as sql:
            yield TwofoldReader(memory, sql)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        async with super().write() as memory, self.sql.write() as sql:
            yield TwofoldWriter(memory, sql)


class TwofoldStore(SimStore, _Twofold):
    """The store of a simulated node whose rows lie in a file."""

    def __init__(self, dice: Random, path: Path) -> None:
        super().__init__(dice)
        self.sql = SqlStore(DirectBackend(path))

    def look(self) -> Any:
        return MemoryStore.read(self)

    def put_back(self, snapshot: Snapshot) -> None:
        super().put_back(snapshot)
        at_once(self._write_back())

    async def _write_back(self) -> None:
        async with self.sql.write() as tx:
            for kind in ALL_ROWS:
                await tx.delete(kind)
                await tx.put_many(list(self.tables[kind].rows.values()))
            await tx._link.change("UPDATE sequence SET last = ?", [self.last_seq])

    async def check_file(self) -> None:
        """At rest: the file is sound, and every table has the rows that were watched."""
        assert await self.sql.check() == []
        async with _Twofold.read(self) as tx:
            for kind in ALL_ROWS:
                await tx.find(kind)
