"""PostgreSQL behind the store: what SQLite gives by its nature (one writer, snapshots) is asked for in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgres_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from node.store.port import StoreConflict, StoreCorrupt, StoreError, StoreFull
from node.store.row import Row
from node.store.schema import upgrade
from node.store.statements import Statements
from node.store.tables import METADATA

CONNECT_TIMEOUT_S = 10  # a server that takes longer is down for our purposes
LOCK_TIMEOUT_MS = 30_000  # other processes of the node write for less than this
WRITER_LOCK = 0x636F6D6D6F6E77  # "commonw": the advisory lock that makes writers of all processes wait in a line
READERS = 8
READERS_MORE = 24
SCRUB_WAIT_S = 30.0  # for snapshots that may still see old rows
SCRUB_PAUSE_S = 0.05
SCRUB_LOCK_MS = 5_000  # a table is rewritten under a lock that new readers queue behind, so it is not waited for long

_DIALECT: Callable[[], Dialect] = postgres_dialect
_FULL = {"53100", "25006", "53200"}
_DAMAGED = {"XX001", "XX002"}
_REFUSED = ("28", "3D")


class PostgresLink:
    """A connection's own calls."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        found: Sequence[Any] = await self._driver.fetch(sql, *values)
        return found

    async def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await self._driver.executemany(sql, rows)

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        return int(str(await self._driver.execute(sql, *values)).rsplit(" ", 1)[-1])


class PostgresBackend:
    """One database on a server."""

    def __init__(self, url: URL) -> None:
        self._name = f"PostgreSQL at {url.host or 'localhost'}:{url.port or 5432}, database {url.database}"
        self._url = url.set(drivername="postgresql+asyncpg")
        self.statements = Statements(_DIALECT(), arrays=True)
        self._writers = self._engine(1, 1, {"lock_timeout": str(LOCK_TIMEOUT_MS)})
        snapshot = {"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}
        self._readers = self._engine(READERS, READERS_MORE, snapshot)

    def _engine(self, size: int, more: int, settings: dict[str, str]) -> AsyncEngine:
        return create_async_engine(
            self._url,
            pool_size=size,
            max_overflow=more,
            pool_reset_on_return=None,  # each transaction rolls itself back
            pool_pre_ping=True,  # a server that was restarted is not the next user's error
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "server_settings": {"application_name": "commonweave"} | settings,
            },
        )

    def decoder(self, row: type[Row]) -> Callable[[Any], Row]:
        """From a result to a row."""
        return lambda values: row(*values)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[PostgresLink]:
        """A snapshot."""
        async with self._readers.connect() as connection, _transaction(connection) as driver:
            yield PostgresLink(driver)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[PostgresLink]:
        """A transaction; the lock is taken first, so that each writer sees all of the one before it."""
        async with self._writers.connect() as connection, _transaction(connection) as driver:
            await driver.fetch("SELECT pg_advisory_xact_lock($1)", WRITER_LOCK)
            yield PostgresLink(driver)

    async def migrate(self) -> None:
        """Bring the schema up to date in one transaction, one process at a time."""
        async with self._writers.begin() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock($1)", (WRITER_LOCK,))
            await connection.run_sync(upgrade)

    def translated(self, error: Exception) -> StoreError | None:
        """Our error for PostgreSQL's."""
        cause: BaseException = error
        while isinstance(cause, DBAPIError) or (cause.__cause__ and not isinstance(cause, asyncpg.PostgresError)):
            inner = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__
            if inner is None:
                break
            cause = inner
        if isinstance(cause, asyncpg.PostgresError):
            return self._by_state(str(getattr(cause, "sqlstate", "") or ""), cause)
        if isinstance(cause, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError | PoolTimeout):
            return StoreError(f"{self._name} cannot be reached ({cause}): is it running, and is the URL right?")
        return None

    def _by_state(self, state: str, cause: BaseException) -> StoreError:
        if state == "23505":
            return StoreConflict(f"another row has the same unique key ({cause})")
        if state in _FULL:
            return StoreFull(f"{self._name} cannot write ({cause}): free disk space there; nothing was written")
        if state in _DAMAGED:
            return StoreCorrupt(
                f"{self._name} is damaged ({cause}). Stop the node, keep the server's data folder aside, restore the "
                "newest backup (docs/storage.md) and start again"
            )
        if state.startswith(_REFUSED):
            return StoreError(f"{self._name} refuses the connection ({cause}): check user, password and database name")
        if state == "42501":
            return StoreError(f"{self._name} lacks a right ({cause}): docs/storage.md lists the GRANTs it needs")
        if state == "55P03":
            return StoreError(f"another process has kept {self._name} locked for too long ({cause})")
        return StoreError(f"{self._name} cannot do this ({cause})")

    async def scrub(self) -> None:
        """Rewrite the tables: a plain VACUUM frees old rows but leaves their bytes in the pages (docs/storage.md)."""
        async with self._writers.connect() as connection:
            driver = await _driver_of(connection)
            await driver.execute(f"SET lock_timeout = {SCRUB_LOCK_MS}")
            try:
                await self._outlive_snapshots(driver)
                for table in METADATA.sorted_tables:
                    await driver.execute(f'VACUUM (FULL) "{table.name}"')
                await driver.execute("SELECT pg_switch_wal()")
                await driver.execute("CHECKPOINT")
            finally:
                await driver.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")

    async def _outlive_snapshots(self, driver: Any) -> None:
        """Wait until no snapshot in this database is older than now: a rewrite keeps the rows that one can see."""
        now = await driver.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        for _ in range(int(SCRUB_WAIT_S / SCRUB_PAUSE_S)):
            older = await driver.fetchval(_OLDER_SNAPSHOTS, now)
            if not older:
                return
            await asyncio.sleep(SCRUB_PAUSE_S)
        raise StoreError(f"{older} reader(s) have kept old rows of {self._name} for {SCRUB_WAIT_S:.0f} s")

    async def check(self) -> list[str]:
        """What the server itself can tell: failed checksums, and settings under which erased bytes outlive a scrub."""
        async with self._readers.connect() as connection, _transaction(connection) as driver:
            return [str(r[0]) for r in await driver.fetch(_TROUBLES)]

    async def close(self) -> None:
        """Close all connections."""
        await self._readers.dispose()
        await self._writers.dispose()


_OLDER_SNAPSHOTS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
  AND age(backend_xmin) > age(($1::bigint % 4294967296)::text::xid)
"""

_TROUBLES = """
SELECT 'checksum failures: ' || checksum_failures FROM pg_stat_database
WHERE datname = current_database() AND checksum_failures > 0
UNION ALL
SELECT 'wal_recycle is on: erased text stays in reused log files; set wal_recycle = off (docs/storage.md)'
WHERE current_setting('wal_recycle') = 'on'
"""


@asynccontextmanager
async def _transaction(connection: AsyncConnection) -> AsyncIterator[Any]:
    driver = await _driver_of(connection)
    transaction = driver.transaction()
    try:
        await transaction.start()
    except BaseException:  # cancelled: whether the server began is unknown
        await connection.invalidate()
        raise
    try:
        yield driver
    except BaseException:
        await _roll_back(connection, transaction)
        raise
    try:
        await transaction.commit()
    except BaseException:  # as above
        await connection.invalidate()
        raise


async def _roll_back(connection: AsyncConnection, transaction: Any) -> None:
    try:
        await asyncio.shield(transaction.rollback())
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.invalidate()
    except asyncio.CancelledError:
        await connection.invalidate()
        raise


async def _driver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection
