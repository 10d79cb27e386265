"""A write is whole or not at all, readers never wait and never see half of it, sequence numbers leave no gap."""

from __future__ import annotations

import asyncio

import pytest

from node.store.port import Store, StoreError
from node.store.rows import Copy, Custody, OriginRow
from node.store.sql import open_store
from tests.contract.store.samples import copy, custody, origin

SOON_S = 5.0


class _Stop(Exception):
    """Thrown by a test inside a transaction."""


async def test_an_exception_rolls_everything_back(store: Store) -> None:
    async with store.write() as w:
        await w.put(copy(1, jws="old"), copy(2))

    async def break_off() -> None:
        async with store.write() as w:
            await w.put(copy(1, jws="new"), copy(3))
            await w.delete(Copy, {"id": 2})
            raise _Stop

    with pytest.raises(_Stop):
        await break_off()
    async with store.read() as r:
        assert await r.find(Copy) == [copy(1, jws="old"), copy(2)]
        assert len(await r.get_many(Copy, [("did:key:zOrigin", "r000002")], by=("origin", "rid"))) == 1
        assert await r.find(Copy, {"rid": "r000003"}) == []


async def test_a_cancelled_writer_rolls_back_and_lets_the_next_one_in(store: Store) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with store.write() as w:
            await w.put(origin("lost"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.wait_for(inside.wait(), SOON_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(SOON_S), store.write() as w:
        assert await w.count(OriginRow) == 0
        await w.put(origin("kept"))


async def test_cancelling_at_any_step_keeps_all_or_nothing(store: Store) -> None:
    async def change(n: int) -> None:
        async with store.write() as w:
            await w.put_many([custody(n, c, c) for c in range(20)])
            await w.put(origin(str(n)))

    for n in range(120):
        task = asyncio.create_task(change(n))
        await asyncio.sleep((n % 60) * 0.0001)
        task.cancel()
        if n % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()  # again, while it is rolling back
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    async with asyncio.timeout(SOON_S), store.write() as w:
        whole = {o.node_id for o in await w.find(OriginRow)}
        assert {str(c.peer) for c in await w.find(Custody)} == whole
        assert await w.count(Custody) == 20 * len(whole)


async def test_readers_that_are_cancelled_at_any_step_leave_the_store_usable(store: Store) -> None:
    async def ask() -> None:
        async with store.read() as r:
            await r.count(Copy)
            await r.find(Custody)

    for n in range(120):
        task = asyncio.create_task(ask())
        await asyncio.sleep((n % 40) * 0.0001)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    async with asyncio.timeout(SOON_S):
        async with store.write() as w:
            await w.put(copy(1))
        async with store.read() as r:
            assert await r.count(Copy) == 1


async def test_a_writer_reads_its_own_writes(store: Store) -> None:
    async with store.write() as w:
        await w.put(copy(1, via=3), copy(2, via=3))
        await w.delete(Copy, {"id": 1})
        await w.put(copy(2, via=4))
        assert [c.id for c in await w.find(Copy, {"via": [3, 4]})] == [2]
        assert await w.get(Copy, 1) is None
        assert await w.count(Copy) == 1


async def test_a_reader_sees_nothing_of_an_open_write_and_does_not_wait_for_it(store: Store) -> None:
    async with store.write() as w:
        await w.put(copy(1, jws="old"), copy(2))
    async with store.write() as w:
        await w.put(copy(1, jws="new"), copy(3))
        await w.delete(Copy, {"id": 2})
        async with asyncio.timeout(SOON_S), store.read() as r:
            assert await r.find(Copy) == [copy(1, jws="old"), copy(2)]
            assert await r.get(Copy, 3) is None
            assert await r.count(Copy, {"origin": "did:key:zOrigin"}) == 2


async def test_a_reader_keeps_its_view_while_others_commit(store: Store) -> None:
    async with store.write() as w:
        await w.put(copy(1, via=1), copy(2, via=1))
    async with store.read() as r:
        before = await r.find(Copy, {"via": 1}, order="change_seq", descending=True)
        async with store.write() as w:
            await w.put(copy(1, via=2, rid="other"), copy(5, via=1))
            await w.delete(Copy, {"id": 2})
        assert await r.find(Copy, {"via": 1}, order="change_seq", descending=True) == before
        assert [c.id for c in await r.get_many(Copy, [("did:key:zOrigin", "r000001")], by=("origin", "rid"))] == [1]
        assert await r.get_many(Copy, [("did:key:zOrigin", "other")], by=("origin", "rid")) == []
        assert await r.get(Copy, 5) is None
    async with store.read() as r:
        assert [c.id for c in await r.find(Copy, {"via": 1})] == [5]


async def test_many_readers_at_once_all_get_an_answer(store: Store) -> None:
    async with store.write() as w:
        await w.put(copy(1))

    async def ask() -> int:
        async with store.read() as r:
            await asyncio.sleep(0.001)
            return await r.count(Copy)

    assert await asyncio.gather(*(ask() for _ in range(60))) == [1] * 60


async def test_writers_wait_for_one_another_so_no_update_is_lost(store: Store) -> None:
    async with store.write() as w:
        await w.put(copy(1))

    async def add() -> None:
        async with store.write() as w:
            found = await w.get(Copy, 1)
            assert found is not None
            await asyncio.sleep(0)
            await w.put(copy(1, ver=found.ver + 1))

    await asyncio.gather(*(add() for _ in range(20)))
    async with store.read() as r:
        assert await r.get(Copy, 1) == copy(1, ver=20)


async def test_a_write_inside_a_write_of_the_same_task_is_refused_instead_of_hanging(store: Store) -> None:
    async with asyncio.timeout(SOON_S), store.write() as w:
        await w.put(origin("a"))
        with pytest.raises(StoreError, match="inside another"):
            async with store.write():
                pass
    async with store.read() as r:
        assert await r.count(OriginRow) == 1


async def test_a_transaction_cannot_be_used_after_its_block(store: Store) -> None:
    async with store.write() as w:
        pass
    async with store.read() as r:
        pass
    with pytest.raises(StoreError, match="ended"):
        await w.put(origin("a"))
    with pytest.raises(StoreError, match="ended"):
        await r.count(OriginRow)


async def test_sequence_numbers_are_drawn_in_blocks_from_one_on(store: Store) -> None:
    async with store.write() as w:
        assert [await w.next_seq(), await w.next_seq(5), await w.next_seq()] == [1, 2, 7]
        with pytest.raises(ValueError, match="0 numbers"):
            await w.next_seq(0)
    async with store.write() as w:
        assert await w.next_seq() == 8


async def test_numbers_of_a_write_that_failed_are_drawn_again(store: Store) -> None:
    async def break_off() -> None:
        async with store.write() as w:
            await w.next_seq(10)
            raise _Stop

    with pytest.raises(_Stop):
        await break_off()
    async with store.write() as w:
        assert await w.next_seq() == 1


async def _race(first: Store, second: Store) -> None:
    """Two writers draw and commit in their own time; a watcher must never find a number below one it has seen."""
    done = asyncio.Event()

    async def draw(store: Store, peer: int, pause_s: float) -> None:
        for _ in range(15):
            async with store.write() as w:
                seq = await w.next_seq()
                await asyncio.sleep(pause_s)
                await w.put(custody(peer, seq, seq))

    async def watch() -> list[int]:
        seen: list[int] = []
        while True:
            last = done.is_set()
            async with first.read() as r:
                seen += [c.seq for c in await r.find(Custody, above=("seq", seen[-1] if seen else 0), order="seq")]
            if last:
                return seen
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(draw(first, 1, 0.003), draw(second, 2, 0.0), draw(second, 3, 0.001))
    done.set()
    assert await watcher == list(range(1, 46))


async def test_a_reader_that_saw_a_number_never_finds_a_lower_one_later(store: Store) -> None:
    await _race(store, store)


async def test_the_cursor_gap_cannot_happen_between_two_processes(database_url: str) -> None:
    first, second = await open_store(database_url), await open_store(database_url)
    try:
        await _race(first, second)
    finally:
        await first.close()
        await second.close()
