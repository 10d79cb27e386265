"""Agreements: nothing flows before both signed and before the start; what is in force stays until the next begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.agreement import Phase
from governance.terms import MAX_UNTIL
from node.agreements import DAY_S, ProposedAgreement, clauses_for
from node.principal import LOCAL
from tests.unit.node.met import Two
from tests.world import START, WorldNode

TOMORROW = START + DAY_S


async def _agree(two: Two, here: WorldNode, there: WorldNode, terms: ProposedAgreement) -> None:
    await two.peers[here.id].propose(LOCAL, there.id, terms)
    await two.peers[here.id].approve(LOCAL, there.id)
    await two.peers[there.id].approve(LOCAL, here.id)


async def _holds(holder: WorldNode) -> int:
    return len(await holder.live())


@pytest.fixture
async def later(two: Two, ana: WorldNode, bao: WorldNode) -> Two:
    """After an end, a new agreement that both have signed and that begins tomorrow; ana has a record."""
    await two.peers[ana.id].end(LOCAL, bao.id)
    two.world.clock.time += 1
    await _agree(two, ana, bao, ProposedAgreement(starts=TOMORROW, days=1))
    await two.world.publish(ana)
    return two


async def _session(two: Two, here: WorldNode, there: WorldNode) -> None:
    two.world.bonds.clear()  # the peers themselves say where they are with one another
    await two.world.tend()
    await two.world.session(here, there)
    await two.world.tend()


async def test_before_its_start_a_signed_agreement_shares_nothing(later: Two, ana: WorldNode, bao: WorldNode) -> None:
    later.world.clock.time = TOMORROW - 1
    await _session(later, bao, ana)
    assert await _holds(bao) == 0
    for here, there in ((ana, bao), (bao, ana)):
        assert (await later.peers[here.id].get(LOCAL, there.id)).phase == Phase.AGREED


async def test_at_its_start_an_agreement_acts_without_a_step_of_anybody(
    later: Two, ana: WorldNode, bao: WorldNode
) -> None:
    later.world.clock.time = TOMORROW - 1
    await _session(later, bao, ana)
    later.world.clock.time = TOMORROW
    await _session(later, bao, ana)
    assert await _holds(bao) == 1
    later.world.clock.time = TOMORROW + DAY_S
    await _session(later, bao, ana)
    assert await _holds(bao) == 0


async def test_a_peer_whose_clock_is_behind_is_asked_again(later: Two, ana: WorldNode, bao: WorldNode) -> None:
    ana.core.clock = type(ana.clock)(skew_s=300)
    ana.core.clock.time = TOMORROW - 300
    later.world.clock.time = TOMORROW - 300
    await _session(later, bao, ana)
    assert await _holds(bao) == 0
    ana.core.clock.time = later.world.clock.time = TOMORROW + 300
    await _session(later, bao, ana)
    assert await _holds(bao) == 1


async def test_what_keeps_a_record_back_before_the_start_is_said_in_words(
    later: Two, ana: WorldNode, bao: WorldNode
) -> None:
    (rid,) = [rid for _, rid in await ana.live()]
    told = await ana.tracing.explain(LOCAL, rid, bao.id)
    assert told.outcome == "withhold"
    assert told.words[1] == "The agreement with this organisation starts on 2030-03-18, 17:46 UTC."
    view = await later.peers[ana.id].get(LOCAL, bao.id)
    assert view.agreement is not None
    assert view.agreement.words[0] == "It begins on 2030-03-18, 17:46 UTC."


async def test_the_preview_counts_as_if_the_agreement_had_begun(later: Two, ana: WorldNode, bao: WorldNode) -> None:
    flow = await later.peers[ana.id].preview(LOCAL, bao.id)
    assert (flow.records, flow.withheld) == (1, 0)


async def test_a_peer_is_due_when_its_agreement_begins(later: Two, ana: WorldNode, bao: WorldNode) -> None:
    await _visited(ana, bao, at=TOMORROW - 10, next_at=TOMORROW + 3600)
    later.world.clock.time = TOMORROW - 1
    await ana.tend()
    assert (await ana.peer(bao)).next_sync_at == TOMORROW + 3600
    later.world.clock.time = TOMORROW
    await ana.tend()
    assert (await ana.peer(bao)).next_sync_at == TOMORROW
    await _visited(ana, bao, at=TOMORROW, next_at=TOMORROW + 3600)
    later.world.clock.time = TOMORROW + 1
    await ana.tend()
    assert (await ana.peer(bao)).next_sync_at == TOMORROW + 3600


async def _visited(here: WorldNode, there: WorldNode, *, at: int, next_at: int) -> None:
    row = await here.peer(there)
    async with here.store.write() as tx:
        await tx.put(replace(row, last_sync_at=at, next_sync_at=next_at))


async def _in_force(two: Two, one: WorldNode, other: WorldNode) -> str:
    """The id of the agreement that both hold to."""
    views = [await two.peers[h.id].get(LOCAL, t.id) for h, t in ((one, other), (other, one))]
    ids = {v.agreement.id for v in views if v.agreement is not None}
    assert len(ids) == 1
    return ids.pop()


async def test_an_agreement_in_force_stays_until_the_next_one_begins(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await two.world.publish(ana)
    await _session(two, bao, ana)
    present = await _in_force(two, ana, bao)
    await _agree(two, ana, bao, ProposedAgreement(starts=TOMORROW, kinds=("story",)))

    await _session(two, bao, ana)
    assert await _in_force(two, ana, bao) == present
    assert await _holds(bao) == 1

    two.world.clock.time = TOMORROW
    await two.peers[bao.id].exchange_agreement((await bao.peer(ana)).id)  # as every session with a proposal does
    await _session(two, bao, ana)
    assert await _in_force(two, ana, bao) != present
    assert (await ana.peer(bao)).proposal is (await bao.peer(ana)).proposal is None
    assert await _holds(bao) == 0


async def test_a_suspension_before_the_start_outlasts_it(later: Two, ana: WorldNode, bao: WorldNode) -> None:
    await later.peers[ana.id].suspend(LOCAL, bao.id)
    later.world.clock.time = TOMORROW
    await _session(later, bao, ana)
    assert await _holds(bao) == 0
    assert (await later.peers[bao.id].get(LOCAL, ana.id)).phase == Phase.SUSPENDED


def test_a_start_in_the_past_is_no_date_and_days_count_from_the_start() -> None:
    early, late = (clauses_for(ProposedAgreement(starts=s, days=10), START) for s in (START - 5, TOMORROW))
    assert (early.starts, early.until) == (0, START + 10 * DAY_S)
    assert (late.starts, late.until) == (TOMORROW, TOMORROW + 10 * DAY_S)
    assert clauses_for(ProposedAgreement(starts=MAX_UNTIL - 5, days=10), START).until == MAX_UNTIL
