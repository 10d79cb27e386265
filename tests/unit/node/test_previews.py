"""A preview reckons with what a peer can bring about alone: nobody here would be asked again then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.jws import peek
from federation.keys import split_kid
from governance.agreement import Clauses, Phase
from node.agreements import read_proposal, write_proposal
from node.previews.previews import Previews, WhatIf
from tests.world import POLICIES, Bond, World, WorldNode, set_policy

OPEN, _, SHUT = POLICIES


async def _begins(ana: WorldNode, bao: WorldNode, what_if: WhatIf) -> int:
    impact = await Previews(ana.core).impact(what_if)
    return sum(p.starts.records for p in impact.peers if p.node_id == bao.id)


async def _met() -> tuple[World, WorldNode, WorldNode]:
    """Two nodes that share stories only, under a policy that keeps guides at home; one guide."""
    world = await World.make(41, 2, ((0, 1),), Bond(kinds=("story",)))
    ana, bao = world.nodes
    set_policy(ana, SHUT)
    await world.publish(ana, kind="guide")
    return world, ana, bao


async def _waits(world: World, ana: WorldNode, bao: WorldNode, *signers: WorldNode) -> None:
    """An amendment for every kind of record, with some signatures."""
    _, source = world.agreement(ana, bao, Bond())
    proposal = read_proposal(source)
    ids = {n.id for n in signers}
    tokens = tuple(t for t in proposal.tokens if split_kid(peek(t)[1])[0] in ids)
    async with ana.core.store.write() as tx:
        await tx.put(replace(await ana.peer(bao), proposal=write_proposal(proposal.document, tokens)))


@pytest.mark.parametrize(("signed", "begins"), [(True, 1), (False, 0)])
async def test_an_amendment_that_only_the_peer_has_to_sign_counts_when_a_policy_opens(
    signed: bool, begins: int
) -> None:
    world, ana, bao = await _met()
    assert await _begins(ana, bao, WhatIf(policy=OPEN)) == 0

    await _waits(world, ana, bao, *((ana,) if signed else (bao,)))

    assert await _begins(ana, bao, WhatIf(policy=OPEN)) == begins


async def test_what_the_waiting_amendment_itself_would_open_is_not_shown_again_with_every_policy() -> None:
    world, ana, bao = await _met()
    set_policy(ana, OPEN)
    await _waits(world, ana, bao, ana)

    assert await _begins(ana, bao, WhatIf(policy=OPEN)) == 0


async def test_a_proposal_about_the_peers_own_clauses_is_compared_with_those_in_force() -> None:
    world, ana, bao = await _met()
    set_policy(ana, OPEN)
    await _waits(world, ana, bao, ana)
    wider = replace(await _clauses(ana, bao), kinds=frozenset())

    assert await _begins(ana, bao, WhatIf(peers={bao.id: (Phase.ACTIVE, wider)})) == 1


async def _clauses(ana: WorldNode, bao: WorldNode) -> Clauses:
    async with ana.core.store.read() as tx:
        situation = await ana.core.situation(tx)
        clauses = situation.peer(await ana.peer(bao)).clauses
    assert clauses is not None
    return clauses


async def test_a_suspension_that_is_theirs_alone_hides_nothing_from_the_voters() -> None:
    world = await World.make(42, 2, ((0, 1),))
    ana, bao = world.nodes
    set_policy(ana, SHUT)
    await world.publish(ana, kind="guide")
    async with ana.core.store.write() as tx:
        await tx.put(replace(await ana.peer(bao), phase=Phase.SUSPENDED, they_suspended=True))

    assert await _begins(ana, bao, WhatIf(policy=OPEN)) == 1

    async with ana.core.store.write() as tx:
        await tx.put(replace(await ana.peer(bao), we_suspended=True))
    assert await _begins(ana, bao, WhatIf(policy=OPEN)) == 0
