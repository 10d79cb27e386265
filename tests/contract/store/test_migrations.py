"""The migrations give exactly the schema of `rows.py`, run whole or not at all, and refuse a newer database."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from node.store import postgres as postgres_store
from node.store import schema
from node.store import sqlite as sqlite_store
from node.store.port import StoreError
from node.store.rows import Meta
from node.store.sql import open_store
from node.store.tables import METADATA
from tests.contract.store.conftest import new_url
from tests.contract.store.samples import row

_FAILING = """
from alembic import op

revision = "9999"
down_revision = "NEWEST"


def upgrade() -> None:
    op.execute("CREATE TABLE half (name TEXT)")
    op.execute("UPDATE meta SET value = 'changed'")
    op.execute("DROP TABLE copies")
    op.execute("this is no SQL")
"""


def _revisions() -> list[str]:
    """Every revision from the first to the newest; their files are named in order."""
    return sorted(file.name[:4] for file in (schema.MIGRATIONS / "versions").glob("[0-9]*.py"))


async def _run(url: str, act: Callable[[Connection], Any]) -> Any:
    parsed = make_url(url)
    driver = "sqlite+aiosqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+asyncpg"
    engine = create_async_engine(parsed.set(drivername=driver))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(act)
    finally:
        await engine.dispose()


def _describe(connection: Connection) -> dict[str, Any]:
    """Everything about every table that the database itself knows."""
    found = inspect(connection)
    described: dict[str, Any] = {}
    for table in found.get_table_names():
        if table != "alembic_version":
            described[table] = (
                [(c["name"], repr(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)],
                found.get_pk_constraint(table)["constrained_columns"],
                sorted((str(u["name"]), u["column_names"]) for u in found.get_unique_constraints(table)),
                sorted((str(i["name"]), i["column_names"], i["unique"]) for i in found.get_indexes(table)),
            )
    return described


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_the_migrated_schema_is_that_of_the_rows(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "made").mkdir()
    migrated, made = new_url(kind, tmp_path, request), new_url(kind, tmp_path / "made", request)
    await (await open_store(migrated)).close()
    await _run(made, METADATA.create_all)
    assert await _run(migrated, _describe) == await _run(made, _describe)


async def test_a_failing_migration_leaves_the_database_as_it_was(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(database_url)
    async with store.write() as w:
        await w.put(row(Meta, name="a", value="before"))
    await store.close()
    before = await _run(database_url, _describe)
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_failing.py").write_text(_FAILING.replace("NEWEST", _revisions()[-1]))

    def upgrade(connection: Connection) -> None:
        schema.upgrade(connection, folder)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_store, "upgrade", upgrade)
        patched.setattr(postgres_store, "upgrade", upgrade)
        with pytest.raises(StoreError, match="syntax error"):
            await open_store(database_url)
    assert await _run(database_url, _describe) == before
    store = await open_store(database_url)
    async with store.read() as r:
        assert await r.get(Meta, "a") == row(Meta, name="a", value="before")
    await store.close()


async def test_a_database_of_a_newer_version_is_refused_untouched(database_url: str) -> None:
    await (await open_store(database_url)).close()
    await _run(database_url, lambda c: c.execute(text("UPDATE alembic_version SET version_num = '7777'")))
    with pytest.raises(StoreError, match=r"schema 7777.*newer version"):
        await open_store(database_url)
    assert await _run(database_url, lambda c: c.scalar(text("SELECT version_num FROM alembic_version"))) == "7777"


async def test_two_processes_that_start_at_once_both_find_the_schema(database_url: str) -> None:
    stores = await asyncio.gather(*(open_store(database_url) for _ in range(3)))
    for store in stores:
        assert await store.check() == []
        await store.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
@pytest.mark.parametrize("revision", _revisions()[:-1])
async def test_a_database_of_each_earlier_schema_comes_up_to_the_newest_with_its_rows(
    kind: str, revision: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "made").mkdir()
    old, made = new_url(kind, tmp_path, request), new_url(kind, tmp_path / "made", request)
    earlier = tmp_path / "earlier"
    shutil.copytree(schema.MIGRATIONS, earlier)
    for later in _revisions()[_revisions().index(revision) + 1 :]:
        (file,) = (earlier / "versions").glob(f"{later}_*.py")
        file.unlink()
    await _run(old, lambda connection: schema.upgrade(connection, earlier))
    await _run(old, lambda connection: connection.execute(text("INSERT INTO meta (name, value) VALUES ('a', 'kept')")))

    store = await open_store(old)
    async with store.read() as tx:
        assert await tx.get(Meta, "a") == Meta("a", "kept")
    await store.close()

    await _run(made, METADATA.create_all)
    assert await _run(old, _describe) == await _run(made, _describe)
