"""SQLite behind the store: write-ahead log, full synchronisation, deleted bytes overwritten, owner-only files."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import URL, event
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from node.store.columns import columns_of
from node.store.port import StoreConflict, StoreCorrupt, StoreError, StoreFull
from node.store.row import Row
from node.store.schema import upgrade
from node.store.statements import Statements

BUSY_TIMEOUT_MS = 10_000  # another process (a command beside a running node) writes for less than this
READERS = 4  # threads that are kept; a small machine has no more cores
READERS_MORE = 28  # and that may come for a while, for slow readers such as exports
PAGE_CACHE_KIB = 16 * 1024  # a connection; the whole node is to stay under 300 MB
QUICK_CHECK_MAX_BYTES = 256 * 1024 * 1024  # reads about 1 GB/s: a start stays under a second; above it, page one only
SCRUB_WAIT_S = 30.0  # readers end well before; an export that does not is named in the error
SCRUB_PAUSE_S = 0.05

_RESTORE = (
    "Stop the node, keep the damaged file aside, restore the newest backup of the data folder (docs/storage.md) "
    "and start again; peers send what the backup does not have"
)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT}
_FULL_IO = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
}


class SqliteLink:
    """A connection's own calls."""

    def __init__(self, driver: aiosqlite.Connection) -> None:
        self._driver = driver

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        return list(await self._driver.execute_fetchall(sql, values))

    async def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await (await self._driver.executemany(sql, rows)).close()

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        cursor = await self._driver.execute(sql, values)
        await cursor.close()
        return cursor.rowcount


class SqliteBackend:
    """One database file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.statements = Statements(sqlite_dialect(), arrays=False)
        self._writers = _engine(self._path, pool_size=1, max_overflow=0, query_only=False)
        self._readers = _engine(self._path, pool_size=READERS, max_overflow=READERS_MORE, query_only=True)

    def decoder(self, row: type[Row]) -> Callable[[Any], Row]:
        """From a result to a row; SQLite has no booleans."""
        flags = [i for i, c in enumerate(columns_of(row).values()) if c.kind is bool]

        def decode(values: Any) -> Row:
            plain = list(values)
            for i in flags:
                if plain[i] is not None:
                    plain[i] = plain[i] != 0
            return row(*plain)

        return decode if flags else lambda values: row(*values)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SqliteLink]:
        """A snapshot."""
        async with self._readers.connect() as connection:
            driver = await _driver_of(connection)
            try:
                await driver.execute_fetchall("BEGIN")
                yield SqliteLink(driver)
            finally:
                await _undo(connection, driver)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[SqliteLink]:
        """A transaction that has the write lock from its start, so it never fails half way for a lock."""
        async with self._writers.connect() as connection:
            driver = await _driver_of(connection)
            try:
                await driver.execute_fetchall("BEGIN IMMEDIATE")
                yield SqliteLink(driver)
                await driver.commit()
            except BaseException:
                await _undo(connection, driver)
                raise

    async def migrate(self) -> None:
        """Check the file and its folder, then bring the schema up to date in one transaction."""
        self._prepare()
        async with self._writers.connect() as connection:
            driver = await _driver_of(connection)
            await self._sound(driver)
            try:
                await driver.execute_fetchall("BEGIN IMMEDIATE")
                await connection.run_sync(upgrade)
                await driver.commit()
            except BaseException:
                await _undo(connection, driver)
                raise

    def _prepare(self) -> None:
        folder = self._path.parent
        if not folder.is_dir():
            raise StoreError(f"{folder} is no folder: create it or name another")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StoreFull(f"{folder} is read-only for this user: the database needs to write beside its file")
        if self._path.is_dir():
            raise StoreError(f"{self._path} is a folder, not a database file")
        if self._path.exists():
            if not os.access(self._path, os.R_OK | os.W_OK):
                raise StoreFull(f"{self._path} is read-only for this user: change its owner or its mode")
            self._whole()
        else:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # before SQLite makes it readable to others

    def _whole(self) -> None:
        """StoreError for a foreign file, StoreCorrupt for one that was cut short."""
        with self._path.open("rb") as file:
            head = file.read(100)
        size = self._path.stat().st_size
        if size and not head.startswith(b"SQLite format 3\0"):
            raise StoreError(f"{self._path} is not a database: name another file, or move this one away")
        if len(head) == 100:
            page = int.from_bytes(head[16:18], "big")
            page = 65536 if page == 1 else page
            if size < page or size % page:
                raise StoreCorrupt(f"{self._path} was cut short. {_RESTORE}")

    async def _sound(self, driver: aiosqlite.Connection) -> None:
        if self._path.stat().st_size <= QUICK_CHECK_MAX_BYTES:
            found = [r[0] for r in await driver.execute_fetchall("PRAGMA quick_check(1)")]
            if found != ["ok"]:
                raise StoreCorrupt(f"{self._path} is damaged ({found[0]}). {_RESTORE}")

    def translated(self, error: Exception) -> StoreError | None:
        """Our error for SQLite's."""
        cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return None
        code = getattr(cause, "sqlite_errorcode", 0)
        if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
            return StoreConflict(f"another row has the same unique key ({cause})")
        return self._by_code(code, cause)

    def _by_code(self, code: int, cause: sqlite3.Error) -> StoreError:
        kind = code & 0xFF
        if kind in _DAMAGED or code in (sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_READ):
            return StoreCorrupt(f"{self._path} is damaged ({cause}). {_RESTORE}")
        if kind == sqlite3.SQLITE_NOTADB:
            return StoreError(f"{self._path} is not a database: name another file, or restore a backup")
        if kind == sqlite3.SQLITE_FULL or code in _FULL_IO:
            return StoreFull(f"no room to write {self._path} ({cause}): free disk space; nothing was written")
        if kind == sqlite3.SQLITE_READONLY:
            return StoreFull(f"{self._path} or its folder is read-only ({cause}); nothing was written")
        if kind == sqlite3.SQLITE_BUSY:
            return StoreError(f"another process has been writing to {self._path} for {BUSY_TIMEOUT_MS // 1000} s")
        return StoreError(f"{self._path} cannot be used ({cause})")

    async def scrub(self) -> None:
        """`secure_delete` has overwritten the rows in the pages; empty the log that still has the old pages."""
        async with self._writers.connect() as connection:
            driver = await _driver_of(connection)
            await driver.execute_fetchall("PRAGMA busy_timeout = 0")  # a thread that waits would hold up closing
            try:
                for _ in range(int(SCRUB_WAIT_S / SCRUB_PAUSE_S)):
                    rows = list(await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))
                    if rows[0][0] == 0:
                        return
                    await asyncio.sleep(SCRUB_PAUSE_S)
            finally:
                await driver.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        raise StoreError(f"a reader has kept the log of {self._path} for {SCRUB_WAIT_S:.0f} s: nothing is confirmed")

    async def check(self) -> list[str]:
        """SQLite's integrity check, in full."""
        async with self._readers.connect() as connection:
            driver = await _driver_of(connection)
            try:
                found = [str(r[0]) for r in await driver.execute_fetchall("PRAGMA integrity_check")]
            except sqlite3.DatabaseError as error:
                found = [str(error)]
        return [] if found == ["ok"] else found

    async def close(self) -> None:
        """Close; the last connection leaves no log behind."""
        await self._readers.dispose()
        await self._writers.dispose()


def _engine(path: Path, *, pool_size: int, max_overflow: int, query_only: bool) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_reset_on_return=None,  # each transaction rolls itself back: one hop less
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",  # an acknowledged write survives a power cut
            "secure_delete = ON",
            "foreign_keys = ON",
            "temp_store = MEMORY",  # no sorted copy of a text in a temporary file
            f"cache_size = -{PAGE_CACHE_KIB}",
            f"query_only = {'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


async def _driver_of(connection: AsyncConnection) -> aiosqlite.Connection:
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, aiosqlite.Connection)
    return driver


async def _undo(connection: AsyncConnection, driver: aiosqlite.Connection) -> None:
    """Roll back whatever is open; a connection that cannot is thrown away.

    A cancelled task leaves its statement (or BEGIN) behind in the connection's thread. The rollback queues after it, so
    it is not skipped because nothing seems to be open yet, and it runs even if the task is cancelled again.
    """
    try:
        await asyncio.shield(driver.rollback())
    except (sqlite3.Error, ValueError):
        await connection.invalidate()
