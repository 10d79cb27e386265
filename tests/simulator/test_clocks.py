"""Wrong clocks: a node that is years behind is still reached, believed, and told no by its peers where it has to be."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

import pytest

from governance.agreement import Phase
from governance.terms import Purpose
from node.agreements import ProposedAgreement
from node.principal import LOCAL
from node.store.rows import Quarantined
from tests.simulator.loop import run
from tests.simulator.network import Network
from tests.simulator.nodes import SimNode
from tests.world import START, draft

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
