"""SQLite on a bad disk, a bad folder, a bad file; each has its own error that says what to do, and loses nothing."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.store.port import StoreCorrupt, StoreError, StoreFull
from node.store.rows import Copy, OriginRow
from node.store.sql import open_store
from tests.contract.store.samples import copy, origin

PAGE = 4096
ROOT = Path(__file__).parents[3]


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'node.db'}"


def _modes(folder: Path) -> dict[str, int]:
    return {f.name: stat.S_IMODE(f.stat().st_mode) for f in folder.iterdir()}


def _killed_after_its_first_line(program: str, argument: str) -> bytes:
    command = [sys.executable, "-c", program, argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    return line


async def _filled(folder: Path, rows: int = 300) -> None:
    store = await open_store(_url(folder))
    async with store.write() as w:
        await w.put_many([copy(n, jws="x" * 3000) for n in range(rows)])
    await store.close()


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("a small disk cannot be mounted by this user")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _make_read_only(mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = await open_store(_url(tmp_path))
    async with store.write() as w:
        await w.put(origin("a"))
    assert set(_modes(tmp_path).values()) == {0o600}
    await store.close()
    assert list(_modes(tmp_path)) == ["node.db"]


async def test_kill_in_a_transaction_leaves_the_state_before_it(tmp_path: Path) -> None:
    store = await open_store(_url(tmp_path))
    async with store.write() as w:
        await w.put(copy(1, jws="before"))
    await store.close()
    program = (
        "import asyncio, sys\n"
        "from node.store.sql import open_store\n"
        "from tests.contract.store.samples import copy\n"
        "async def main():\n"
        "    store = await open_store(sys.argv[1])\n"
        "    async with store.write() as w:\n"
        "        await w.put(copy(9, jws='acknowledged'))\n"
        "    async with store.write() as w:\n"
        "        await w.put_many([copy(n, jws='y' * 50000) for n in range(1, 9)])\n"
        "        await w.next_seq(100)\n"
        "        print('inside', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    assert _killed_after_its_first_line(program, _url(tmp_path)) == b"inside\n"
    store = await open_store(_url(tmp_path))
    async with store.write() as w:
        assert await w.find(Copy) == [copy(1, jws="before"), copy(9, jws="acknowledged")]
        assert await w.next_seq() == 1
    assert await store.check() == []
    await store.close()


async def test_a_full_disk_undoes_the_write_and_the_store_goes_on(tmp_path: Path) -> None:
    with _mounted(tmp_path, "size=2m"):
        store = await open_store(_url(tmp_path))
        async with store.write() as w:
            await w.put(copy(1, jws="kept"))
        with pytest.raises(StoreFull, match="free disk space"):
            async with store.write() as w:
                await w.put_many([copy(n, jws="x" * 100_000) for n in range(2, 60)])
        async with store.write() as w:
            assert await w.find(Copy) == [copy(1, jws="kept")]
            await w.put(origin("small"))
        await store.close()
        store = await open_store(_url(tmp_path))
        async with store.read() as r:
            assert (await r.count(Copy), await r.count(OriginRow)) == (1, 1)
        await store.close()


async def test_a_limit_on_file_size_is_a_full_disk(tmp_path: Path) -> None:
    store = await open_store(_url(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
        with pytest.raises(StoreFull, match="free disk space"):
            async with store.write() as w:
                await w.put_many([copy(n, jws="x" * 100_000) for n in range(2, 90)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    async with store.read() as r:
        assert await r.count(Copy) == 0
    await store.close()


async def test_a_read_only_disk_is_named(tmp_path: Path) -> None:
    with _mounted(tmp_path, "size=8m"):
        await _filled(tmp_path)
        _make_read_only(tmp_path)
        with pytest.raises(StoreFull, match="read-only"):
            await open_store(_url(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("what", ["folder", "file"])
async def test_a_read_only_folder_or_file_is_named(tmp_path: Path, what: str) -> None:
    await _filled(tmp_path)
    target = tmp_path if what == "folder" else tmp_path / "node.db"
    target.chmod(0o555)
    try:
        with pytest.raises(StoreFull, match="read-only"):
            await open_store(_url(tmp_path))
    finally:
        target.chmod(0o755)


async def test_a_missing_folder_and_a_folder_as_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="create it"):
        await open_store(_url(tmp_path / "none"))
    (tmp_path / "node.db").mkdir()
    with pytest.raises(StoreError, match="is a folder"):
        await open_store(_url(tmp_path))


@pytest.mark.parametrize("content", [b"hello\n", b"PK\x03\x04" + bytes(9000), bytes(8192)])
async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node.db").write_bytes(content)
    with pytest.raises(StoreError, match="is not a database"):
        await open_store(_url(tmp_path))
    assert (tmp_path / "node.db").read_bytes() == content


async def test_a_corrupt_page_is_met_at_the_start_with_the_way_to_restore(tmp_path: Path) -> None:
    await _filled(tmp_path)
    with (tmp_path / "node.db").open("r+b") as file:
        for page in range(40, 60):
            file.seek(page * PAGE)
            file.write(os.urandom(PAGE))
    with pytest.raises(StoreCorrupt, match=r"restore the newest backup.*docs/storage\.md"):
        await open_store(_url(tmp_path))


async def test_a_file_that_was_cut_short_is_corrupt(tmp_path: Path) -> None:
    await _filled(tmp_path)
    os.truncate(tmp_path / "node.db", 100 * PAGE)
    with pytest.raises(StoreCorrupt, match="restore"):
        await open_store(_url(tmp_path))
    os.truncate(tmp_path / "node.db", 50 * PAGE - 100)
    with pytest.raises(StoreCorrupt, match="cut short"):
        await open_store(_url(tmp_path))


async def test_a_page_that_breaks_while_running_is_met_when_it_is_read(tmp_path: Path) -> None:
    await _filled(tmp_path, rows=4000)  # more than the page cache of a connection need hold
    store = await open_store(_url(tmp_path))
    with (tmp_path / "node.db").open("r+b") as file:
        for page in range(200, 2000):
            file.seek(page * PAGE)
            file.write(os.urandom(PAGE))
    with pytest.raises(StoreCorrupt, match="restore"):
        async with store.read() as r:
            await r.find(Copy)
    assert await store.check() != []
    await store.close()


async def test_another_process_that_writes_for_too_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.store.sqlite.BUSY_TIMEOUT_MS", 100)
    store = await open_store(_url(tmp_path))
    other = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process"):
        async with store.write():
            pass
    other.execute("ROLLBACK")
    other.close()
    async with store.write() as w:
        await w.put(origin("a"))
    await store.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "sqlite://", "sqlite:///:memory:"])
async def test_a_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="use sqlite:///path or postgresql://"):
        await open_store(url)


async def test_a_postgres_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreError, match=r"PostgreSQL at 127\.0\.0\.1:1, database d") as caught:
        await open_store("postgresql://user:s3cret@127.0.0.1:1/d")
    assert "s3cret" not in str(caught.value)
