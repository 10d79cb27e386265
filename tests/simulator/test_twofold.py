"""A store that keeps everything twice notices where the two differ, and neither keeps half of a transaction."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from node.store.rows import Meta
from tests.simulator.loop import run
from tests.simulator.twofold import TwofoldStore


def test_a_row_that_only_one_of_both_has_ends_the_schedule(tmp_path: Path) -> None:
    async def story() -> None:
        store = TwofoldStore(Random(1), tmp_path / "one.db")
        async with store.sql.write() as tx:
            await tx.put(Meta("only", "here"))
        async with store.read() as tx:
            await tx.find(Meta)

    with pytest.raises(AssertionError, match="SQLite answers find meta"):
        run(story())


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_a_process_that_is_killed_has_written_to_both_or_to_none(tmp_path: Path, moment: int) -> None:
    async def story() -> None:
        store = TwofoldStore(Random(1), tmp_path / "one.db")
        store.killed = lambda: None
        store.dies_in = moment
        with pytest.raises(asyncio.CancelledError):
            async with store.write() as tx:
                await tx.put(Meta("a", "1"))
        await store.check_file()
        async with store.read() as tx:
            assert (await tx.get(Meta, "a") is not None) is (moment == 2)

    run(story())


def test_a_backup_is_put_back_into_the_file_too(tmp_path: Path) -> None:
    async def story() -> None:
        store = TwofoldStore(Random(1), tmp_path / "one.db")
        async with store.write() as tx:
            await tx.put(Meta("a", str(await tx.next_seq(5))))
        backup = store.snapshot()
        async with store.write() as tx:
            await tx.put(Meta("a", str(await tx.next_seq())), Meta("b", "2"))
        store.put_back(backup)

        await store.check_file()
        async with store.write() as tx:
            assert await tx.find(Meta) == [Meta("a", "1")]
            assert await tx.next_seq() == 6

    run(story())
