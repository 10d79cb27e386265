"""An end and a new agreement that cross on the way: whoever hears what when, both sides are where the last word is."""

from __future__ import annotations

import pytest

from governance.agreement import Phase
from node.agreements import ProposedAgreement
from node.principal import LOCAL
from node.store.rows import Outgoing
from tests.unit.node.met import Two
from tests.world import WorldNode

AGAIN = ProposedAgreement(days=3)


async def _phases(two: Two, ana: WorldNode, bao: WorldNode) -> set[str]:
    """After both have called one another, as sessions do."""
    for here, there in ((ana, bao), (bao, ana)) * 2:
        two.lines[here.name].open = True
        row = await here.peer(there)
        await two.peers[here.id].deliver_notices(row.id)
        await two.peers[here.id].exchange_agreement(row.id)
    return {await two.phase(ana, bao), await two.phase(bao, ana)}


@pytest.mark.parametrize("hears", ["when it is asked to sign", "when it asks"])
async def test_an_end_that_the_peer_has_not_heard_does_not_undo_the_agreement_made_after_it(
    two: Two, ana: WorldNode, bao: WorldNode, hears: str
) -> None:
    two.lines["ana"].open = False
    await two.peers[ana.id].end(LOCAL, bao.id)
    await two.peers[ana.id].propose(LOCAL, bao.id, AGAIN)
    two.lines["ana"].open = hears == "when it is asked to sign"
    await two.peers[ana.id].approve(LOCAL, bao.id)
    if hears == "when it asks":
        await two.peers[bao.id].exchange_agreement((await bao.peer(ana)).id)

    assert await two.phase(bao, ana) == Phase.PROPOSED
    await two.peers[bao.id].approve(LOCAL, ana.id)

    assert await _phases(two, ana, bao) == {Phase.ACTIVE}
    async with ana.store.read() as tx:
        assert not await tx.count(Outgoing)


@pytest.mark.parametrize("heard", [False, True])
async def test_whoever_ends_and_then_signs_what_the_peer_had_put_up_comes_back(
    two: Two, ana: WorldNode, bao: WorldNode, heard: bool
) -> None:
    await two.peers[bao.id].propose(LOCAL, ana.id, AGAIN)
    await two.peers[bao.id].approve(LOCAL, ana.id)
    two.lines["ana"].open = heard
    await two.peers[ana.id].end(LOCAL, bao.id)
    await two.peers[ana.id].approve(LOCAL, bao.id)

    assert await _phases(two, ana, bao) == {Phase.ACTIVE}


async def test_whoever_signs_and_then_ends_has_ended_whatever_is_signed_later(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await two.peers[ana.id].propose(LOCAL, bao.id, AGAIN)
    await two.peers[ana.id].approve(LOCAL, bao.id)
    two.lines["ana"].open = False
    await two.peers[ana.id].end(LOCAL, bao.id)
    two.lines["bao"].open = False
    await two.peers[bao.id].approve(LOCAL, ana.id)

    assert await _phases(two, ana, bao) == {Phase.ENDED}


async def test_an_end_of_an_amended_agreement_ends_the_amended_one(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await two.peers[ana.id].propose(LOCAL, bao.id, AGAIN)
    await two.peers[ana.id].approve(LOCAL, bao.id)
    await two.peers[bao.id].approve(LOCAL, ana.id)
    two.lines["ana"].open = False
    await two.peers[ana.id].end(LOCAL, bao.id)

    assert await _phases(two, ana, bao) == {Phase.ENDED}
