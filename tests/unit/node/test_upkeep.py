"""Upkeep: each worker does its work without being asked, and what fails is tried again without stopping the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

import node.upkeep
from governance.terms import NODE
from node.index_ground import INDEXED_UNDER, Ground
from node.policies import Policies
from node.principal import LOCAL
from node.store.rows import Erasure, Meta
from node.syncing import Syncing
from node.upkeep import Upkeep
from tests.world import POLICIES, START, Bond, World, WorldNode, set_policy, terms

PATIENCE_S = 5.0


@dataclass
class Counting:
    """Stands for the policy file and for the schedule of visits: counts, and fails as often as it is told."""

    fails: int = 0
    calls: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def refresh(self) -> bool:
        await self.visit_due()
        return False

    async def visit_due(self) -> None:
        self.calls += 1
        self.called.set()
        if self.calls <= self.fails:
            raise OSError("the disk is away")


def _upkeep(of: WorldNode, policies: Counting, visits: Counting) -> Upkeep:
    return Upkeep(
        of.core, cast(Policies, policies), of.eraser, of.indexing, cast(Syncing, visits), of.upkeep._open_shelf
    )


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - what is waited for lies in the database
            await asyncio.sleep(0.01)


async def test_fields_of_a_copy_go_at_their_second(world: World, ana: WorldNode, bao: WorldNode) -> None:
    await world.publish(ana, field_terms={"summary": terms(until=START + 100)})
    await world.quiet()
    for at, expected in ((START + 99, {"title", "summary", "body"}), (START + 100, {"title", "body"})):
        world.clock.time = at
        await bao.upkeep.settle()
        (held,) = (await bao.live()).values()
        assert held.texts.keys() == expected
    async with bao.store.read() as tx:
        assert not await tx.count(Erasure)


async def test_what_a_peer_gave_goes_at_the_end_of_the_agreement_or_stays_by_its_clause() -> None:
    for keep in (False, True):
        world = await World.make(5, 2, ((0, 1),), Bond(until=START + 100, keep=keep))
        ana, bao = world.nodes
        await world.publish(ana)
        await world.quiet()
        world.clock.time = START + 100
        await bao.upkeep.settle()
        assert bool(await bao.live()) is keep


async def test_the_index_follows_changes_and_is_made_anew_under_another_policy(world: World, ana: WorldNode) -> None:
    rid = await world.publish(ana, audiences=(NODE,))
    await ana.upkeep.index()
    assert await ana.indexing.behind() == 0
    set_policy(ana, POLICIES[1])
    await ana.upkeep.index()
    async with ana.store.read() as tx:
        under = await tx.get(Meta, INDEXED_UNDER)
    assert under is not None
    assert Ground.read(under.value).policy == POLICIES[1].version
    assert rid in {r for _, r in await ana.live()}


async def test_started_workers_settle_index_and_visit_by_themselves(world: World, ana: WorldNode) -> None:
    policies, visits = Counting(), Counting()
    upkeep = _upkeep(ana, policies, visits)
    upkeep.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await policies.called.wait()
            await visits.called.wait()
        await world.publish(ana)
        await _until(lambda: _indexed(ana))
        before = visits.calls
        ana.core.bell.ring()
        await _until(lambda: _more(visits, before))
    finally:
        await upkeep.stop()


async def _indexed(node: WorldNode) -> bool:
    return await node.indexing.behind() == 0


async def _more(counting: Counting, than: int) -> bool:
    return counting.calls > than


async def test_an_error_in_one_worker_stops_no_other_and_is_tried_again(
    world: World, ana: WorldNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(node.upkeep, "RETRY_S", 0.05)
    policies, visits = Counting(fails=2), Counting(fails=1)
    upkeep = _upkeep(ana, policies, visits)
    upkeep.start()
    try:
        await world.publish(ana)
        await _until(lambda: _indexed(ana))
        await _until(lambda: _more(policies, 2))
        await _until(lambda: _more(visits, 1))
    finally:
        await upkeep.stop()
    failed = [r.getMessage() for r in caplog.records if "tries again" in r.getMessage()]
    assert sorted({m.split()[2] for m in failed}) == ["ends", "peers"]


async def test_after_a_stop_nothing_works_on(world: World, ana: WorldNode) -> None:
    visits = Counting()
    upkeep = _upkeep(ana, Counting(), visits)
    upkeep.start()
    async with asyncio.timeout(PATIENCE_S):
        await visits.called.wait()
    await upkeep.stop()
    before = visits.calls
    await world.publish(ana)
    ana.core.bell.ring()
    await asyncio.sleep(0.05)
    assert visits.calls == before


async def test_catching_up_needs_no_peer(world: World, ana: WorldNode) -> None:
    visits = Counting()
    rid = await world.publish(ana)
    await ana.library.withdraw(LOCAL, rid, "error")
    await _upkeep(ana, Counting(), visits).catch_up()
    assert visits.calls == 0
    assert await ana.indexing.behind() == 0
    async with ana.store.read() as tx:
        assert not await tx.count(Erasure)
