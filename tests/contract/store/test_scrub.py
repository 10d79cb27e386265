"""Invariant 10: after a scrub no byte of a deleted or replaced row is in any file of the database."""

from __future__ import annotations

import asyncio
import hashlib
import random
import string
from collections.abc import Iterable
from pathlib import Path

import pytest

from node.store import sqlite as sqlite_store
from node.store.port import Store, StoreError
from node.store.rows import Copy, OriginRow
from node.store.sql import open_store
from tests.contract.store.samples import copy, origin
from tests.postgres import Cluster

PIECE = 32  # a run of a random text so long occurs by no chance


def _text(seed: int, size: int) -> str:
    """Random letters, which PostgreSQL cannot compress out of sight."""
    return "".join(random.Random(seed).choices(string.ascii_letters, k=size))


def _bytes_left(folders: Iterable[Path], texts: Iterable[str]) -> dict[str, set[str]]:
    """Which files hold a piece of a text: file name to digests of the texts."""
    wanted = list(texts)
    files = [f for folder in folders for f in folder.rglob("*")]
    found: dict[str, set[str]] = {}
    for file in files:
        try:
            data = file.read_bytes()
        except (FileNotFoundError, IsADirectoryError):  # a running server removes files of its own
            continue
        for text in wanted:
            if any(
                text[at : at + PIECE].encode() in data for at in range(0, len(text) - PIECE, max(1, len(text) // 16))
            ):
                found.setdefault(file.name, set()).add(hashlib.sha256(text.encode()).hexdigest())
    return found


def _folders(postgres: Cluster, database: str) -> list[Path]:
    """Where the database has its tables, and where the server has its log."""
    oid = postgres.sql(f"SELECT oid FROM pg_database WHERE datname = '{database}'")
    return [postgres.data / "base" / oid, postgres.data / "pg_wal"]


async def _erase_some(store: Store, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of all sizes, half of them replaced or deleted; those that must be gone and those that must stay."""
    texts = {n: _text(1000 * seed + n, (60, 700, 5000, 40_000)[n % 4]) for n in range(40)}
    async with store.write() as w:
        await w.put_many([copy(n, jws=t) for n, t in texts.items()])
    async with store.write() as w:
        await w.put_many([copy(n) for n in range(0, 40, 3)])
        await w.delete(Copy, {"id": list(range(1, 40, 3))})
    return [t for n, t in texts.items() if n % 3 != 2], [t for n, t in texts.items() if n % 3 == 2]


async def test_sqlite_keeps_no_byte_in_any_file_while_it_runs(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'node.db'}")
    gone, kept = await _erase_some(store)
    assert _bytes_left([tmp_path], gone), "before the scrub the log has the texts: the search below can fail"
    await store.scrub()
    assert not _bytes_left([tmp_path], gone)
    assert len(set().union(*_bytes_left([tmp_path], kept).values())) == len(kept)
    await store.close()


async def test_sqlite_keeps_no_byte_when_pages_split_and_merge(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'node.db'}")
    choose, live, dead = random.Random(4), dict[str, str](), list[str]()
    for step in range(40):
        async with store.write() as w:
            for n in range(30):
                key, text = f"{choose.randrange(400):06d}", _text(step * 30 + n, choose.choice((80, 400, 1500)))
                dead += [live.pop(key)] if key in live else []
                await w.delete(OriginRow, {"node_id": key})
                if choose.random() < 0.6:
                    live[key] = text
                    await w.put(origin(key, text))
    await store.scrub()
    assert len(dead) > 300
    assert not _bytes_left([tmp_path], dead)
    await store.close()


async def test_sqlite_waits_for_a_reader_and_then_clears(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'node.db'}")
    gone, _ = await _erase_some(store)
    async with store.read() as r:
        assert await r.count(Copy) > 0
        async with store.write() as w:
            await w.put(origin("later"))
        scrubbing = asyncio.create_task(store.scrub())
        await asyncio.sleep(0.2)
        assert not scrubbing.done()
    await scrubbing
    assert not _bytes_left([tmp_path], gone)
    await store.close()


async def test_sqlite_confirms_nothing_while_a_reader_holds_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "SCRUB_WAIT_S", 0.2)
    store = await open_store(f"sqlite:///{tmp_path / 'node.db'}")
    async with store.read() as r:
        await r.count(Copy)
        await _erase_some(store)
        with pytest.raises(StoreError, match="reader"):
            await store.scrub()
    await store.scrub()
    await store.close()


@pytest.mark.postgres
async def test_postgres_keeps_no_byte_in_its_tables_or_its_log(postgres: Cluster) -> None:
    store = await open_store(postgres.database("scrub_tables"))
    gone, kept = await _erase_some(store, seed=1)
    base, log = _folders(postgres, "scrub_tables")
    postgres.sql("CHECKPOINT")
    assert _bytes_left([base], gone)
    assert _bytes_left([log], gone)
    await store.scrub()
    assert not _bytes_left([base], gone)
    assert not _bytes_left([log], gone), "with wal_recycle = off and no archive"
    assert len(set().union(*_bytes_left([base], kept).values())) == len(kept)
    await store.close()


@pytest.mark.postgres
async def test_postgres_leaves_bytes_behind_a_plain_vacuum_which_is_why_tables_are_rewritten(postgres: Cluster) -> None:
    store = await open_store(postgres.database("plain_vacuum"))
    gone, _ = await _erase_some(store, seed=2)
    postgres.sql("VACUUM copies", "plain_vacuum")
    postgres.sql("CHECKPOINT", "plain_vacuum")
    assert _bytes_left(_folders(postgres, "plain_vacuum")[:1], gone)
    await store.close()


@pytest.mark.postgres
async def test_postgres_waits_for_a_reader_that_still_sees_the_old_rows(postgres: Cluster) -> None:
    store = await open_store(postgres.database("scrub_reader"))
    async with store.read() as r:
        assert await r.count(OriginRow) == 0  # a snapshot, and no lock on the table that is erased from
        gone, _ = await _erase_some(store, seed=3)
        scrubbing = asyncio.create_task(store.scrub())
        await asyncio.sleep(0.3)
        assert not scrubbing.done()
    await scrubbing
    assert not _bytes_left(_folders(postgres, "scrub_reader"), gone)
    await store.close()


@pytest.mark.postgres
async def test_postgres_clears_as_an_ordinary_role_with_the_documented_grants_and_names_them_without(
    postgres: Cluster,
) -> None:
    postgres.sql("CREATE ROLE ordinary LOGIN")
    postgres.sql("CREATE DATABASE scrub_role OWNER ordinary")
    url = postgres.url("scrub_role").replace("commonweave@", "ordinary@")
    store = await open_store(url)
    gone, _ = await _erase_some(store, seed=4)
    with pytest.raises(StoreError, match="GRANT"):
        await store.scrub()
    postgres.sql("GRANT pg_checkpoint, pg_read_all_stats TO ordinary")
    postgres.sql("GRANT EXECUTE ON FUNCTION pg_switch_wal() TO ordinary", "scrub_role")
    await store.scrub()
    assert not _bytes_left(_folders(postgres, "scrub_role"), gone)
    await store.close()
