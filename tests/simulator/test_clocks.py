"""Wrong clocks: a node that is years behind is still reached, believed, and told no by its peers where it has to be."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final, cast

import pytest

from governance.agreement import Phase
from governance.terms import Purpose
from node.agreements import ProposedAgreement
from node.principal import LOCAL
from node.store.rows import Copy, Quarantined
from tests.simulator.laws import check_sums
from tests.simulator.loop import run
from tests.simulator.network import Network
from tests.simulator.nodes import SimNode
from tests.world import START, draft, terms

DAY_S: Final = 86_400
YEARS_S: Final = 400 * DAY_S
TERMS: Final = ProposedAgreement(purposes=tuple(Purpose), days=None)


async def _met(skew_s: int) -> tuple[Network, SimNode, SimNode]:
    """Two nodes under an agreement; the clock of the second is wrong."""
    network = Network(Random(1))
    bao = SimNode("bao", 1, network, network.dice)
    await asyncio.sleep(DAY_S)
    ana = SimNode("ana", 1, network, network.dice)  # its keys are a day younger than those of the other
    for node in (ana, bao):
        await node.introduce()
    await ana.introduced(bao)
    await bao.introduced(ana)
    bao.clock.skew_s = skew_s
    first, second = (bao, ana) if skew_s < 0 else (ana, bao)  # whose clock is behind would wait for the other's date
    await first.agree(second, TERMS)
    return network, ana, bao


@pytest.mark.parametrize("skew_s", [-YEARS_S, -9000, 0, 9000, YEARS_S])
@pytest.mark.parametrize("opened_by", [0, 1])
def test_records_travel_both_ways_whatever_one_clock_says(skew_s: int, opened_by: int) -> None:
    async def story() -> None:
        _, ana, bao = await _met(skew_s)
        for node in (ana, bao):
            await node.library.create(LOCAL, draft(f"Of {node.name}"))

        problem = await ((ana, bao)[opened_by]).visit((bao, ana)[opened_by])

        assert problem == ""
        for node in (ana, bao):
            assert len(await node.live()) == 2
            async with node.core.store.read() as tx:
                assert not await tx.count(Quarantined)

    run(story())


def test_what_a_node_signs_is_never_dated_before_its_keys() -> None:
    async def story() -> None:
        _, ana, bao = await _met(-YEARS_S)
        await bao.library.create(LOCAL, draft("By a clock that is years behind"))

        (held,) = (await bao.live()).values()

        assert held.row.iat == bao.history.current.iat == START
        assert ana.core.now() == START + DAY_S

    run(story())


def test_a_peer_that_does_not_accept_us_is_told_in_words_though_both_clocks_agree() -> None:
    async def story() -> None:
        _, ana, bao = await _met(0)
        stranger = await bao.row_of(ana)
        assert stranger is not None
        async with bao.core.store.write() as tx:  # bao has lost everything about ana
            await tx.delete(type(stranger), {"id": stranger.id})

        problem = await ana.visit(bao)

        assert "does not accept our signature" in problem
        row = await ana.row_of(bao)
        assert row is not None
        assert (row.phase, row.failures) == (Phase.ACTIVE, 1)

    run(story())


def _counted(node: SimNode) -> list[int]:
    return [cast(Copy, c).change_seq for c in node.sim_store.tables[Copy].rows.values()]


@pytest.mark.parametrize("drops_it", ["as it comes", "later"])
@pytest.mark.parametrize("opened_by", [0, 1])
def test_a_receiver_whose_clock_is_ahead_does_not_fetch_an_ended_field_anew_in_every_session(
    drops_it: str, opened_by: int
) -> None:
    async def story() -> None:
        _, ana, bao = await _met(0)
        here, there = ((ana, bao), (bao, ana))[opened_by]
        until = ana.core.now() + DAY_S
        await ana.library.create(LOCAL, draft(field_terms={"body": terms("network", until=until)}))
        if drops_it == "later":
            await here.visit(there)
        bao.clock.skew_s = 3 * DAY_S
        await bao.tend()
        await here.visit(there)
        seqs = _counted(bao)
        (held,) = (await bao.live()).values()
        assert "body" not in held.texts

        for _ in range(3):
            await here.visit(there)
            await bao.tend()
        assert _counted(bao) == seqs
        await check_sums(bao)

    run(story())


@pytest.mark.parametrize("drops_it", ["as it comes", "later"])
@pytest.mark.parametrize("opened_by", [0, 1])
def test_a_receiver_whose_clock_is_set_back_fetches_what_has_not_ended_after_all(drops_it: str, opened_by: int) -> None:
    async def story() -> None:
        _, ana, bao = await _met(0)
        here, there = ((ana, bao), (bao, ana))[opened_by]
        until = ana.core.now() + DAY_S
        await ana.library.create(LOCAL, draft(field_terms={"body": terms("network", until=until)}))
        if drops_it == "later":
            await here.visit(there)
        bao.clock.skew_s = 3 * DAY_S
        await bao.tend()
        await here.visit(there)

        bao.clock.skew_s = 0
        await bao.tend()
        await here.visit(there)

        (held,) = (await bao.live()).values()
        assert "body" in held.texts
        await check_sums(bao)
        seqs = _counted(bao)
        await asyncio.sleep(2 * DAY_S)  # and at its end it goes
        await bao.tend()
        await ana.tend()
        await here.visit(there)
        (held,) = (await bao.live()).values()
        assert "body" not in held.texts
        assert _counted(bao) != seqs

    run(story())


def test_what_had_ended_by_a_fast_clock_alone_is_told_once_the_clock_is_right() -> None:
    async def story() -> None:
        _, ana, bao = await _met(3 * DAY_S)
        until = ana.clock.now() + DAY_S
        await bao.library.create(LOCAL, draft("Of bao", field_terms={"body": terms(until=until)}))
        await bao.tend()
        assert await ana.visit(bao) == ""
        (held,) = (await ana.live()).values()
        assert "body" not in held.texts

        bao.clock.skew_s = 0
        await bao.tend()
        assert await ana.visit(bao) == ""

        (held,) = (await ana.live()).values()
        assert "body" in held.texts

    run(story())
