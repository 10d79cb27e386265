"""Agreements by proposal: a step is carried out whole, and its notice or signature reaches the peer afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.proposal import Rules
from node.agreements import ProposedAgreement
from node.keyring import Keyring
from node.principal import LOCAL
from node.proposals import Pending
from node.proposals.acts import (
    AgreementCountersign,
    AgreementPropose,
    AgreementRenew,
    AgreementStep,
    PolicyChange,
)
from node.proposals.proposals import Proposals
from node.proposals.wiring import open_proposals
from tests.unit.node.met import Two
from tests.unit.node.stewarding import accounts, agreed, noted
from tests.world import SHUT_POLICY, WorldNode


def proposals(two: Two, node: WorldNode) -> Proposals:
    def unheard(keys: Keyring) -> None:
        del keys

    return open_proposals(node.core, two.peers[node.id], node.circles, Path("none"), unheard, Rules(), {})


async def test_a_suspension_by_proposal_reaches_the_peer_and_shows_what_stops(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    team = await accounts(ana, "amal", "bela")
    asked = proposals(two, ana)
    await two.world.publish(ana)
    await two.world.quiet()
    with pytest.raises(Pending) as pending:
        await two.peers[ana.id].suspend(team[0], "bao")
    view = pending.value.view
    assert view.impact["peers"][0]["stops"]["records"] == 1
    for one in team:
        await asked.vote(one, view.pid, "yes", view.hash)
    assert [await two.phase(ana, bao), await two.phase(bao, ana)] == ["suspended", "suspended"]
    assert [a.detail for a in await noted(ana, "peer.suspend")] == [f"proposal {view.pid}"]


async def test_a_step_that_the_peer_has_taken_first_lapses_with_the_reason(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    team = await accounts(ana, "amal", "bela")
    asked = proposals(two, ana)
    view = await asked.propose(team[0], AgreementStep(kind="agreement.suspend", peer="bao"))
    await two.peers[bao.id].end(LOCAL, "ana")
    for one in team:
        view = await asked.vote(one, view.pid, "yes", view.hash)
    assert view.state == "lapsed"
    assert "cannot suspend" in view.note


async def test_an_offer_is_signed_by_us_when_it_is_decided_and_begins_with_their_signature(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    team = await accounts(ana, "amal", "bela")
    asked = proposals(two, ana)
    before = (await ana.peer(bao)).agreement
    act = AgreementPropose(peer="bao", terms=ProposedAgreement(kinds=("guide",), days=30))
    assert (await agreed(asked, act, *team)).state == "in-force"
    assert (await ana.peer(bao)).agreement == before
    await two.peers[bao.id].approve(LOCAL, "ana")
    assert (await ana.peer(bao)).agreement == (await bao.peer(ana)).agreement != before


async def test_what_is_countersigned_is_the_agreement_that_was_voted_on(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    team = await accounts(ana, "amal", "bela")
    asked = proposals(two, ana)
    there = two.peers[bao.id]
    await there.propose(LOCAL, "ana", ProposedAgreement(days=30))
    view = await asked.propose(team[0], AgreementCountersign(peer="bao"))
    assert view.act["agreement"]
    await there.propose(LOCAL, "ana", ProposedAgreement(days=900))
    for one in team:
        view = await asked.vote(one, view.pid, "yes", view.hash)
    assert view.state == "lapsed"
    assert "another agreement" in view.note
    assert (await agreed(asked, AgreementCountersign(peer="bao"), *team)).state == "in-force"


async def test_a_renewal_says_for_how_long_in_words(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    team = await accounts(ana, "amal", "bela")
    asked = proposals(two, ana)
    await two.peers[bao.id].propose(LOCAL, "ana", ProposedAgreement(days=30))
    await agreed(asked, AgreementCountersign(peer="bao"), *team)
    await two.peers[bao.id].approve(LOCAL, "ana")
    view = await agreed(asked, AgreementRenew(peer="bao", days=90), *team)
    assert view.state == "in-force"
    assert any("90 days" in sentence for sentence in view.words)


async def test_a_peer_that_is_not_there_does_not_keep_a_step_from_being_in_force(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    team = await accounts(ana, "amal", "bela")
    asked = proposals(two, ana)
    two.lines["ana"].open = False
    view = await agreed(asked, AgreementStep(kind="agreement.end", peer="bao"), *team)
    assert view.state == "in-force"
    assert [await two.phase(ana, bao), await two.phase(bao, ana)] == ["ended", "active"]


async def test_stewards_of_one_node_decide_nothing_at_another(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await accounts(ana, "amal", "bela")
    proposals(two, ana)
    done = await agreed(bao.proposals, PolicyChange(text=SHUT_POLICY), LOCAL)
    assert done.state == "in-force"
    assert ana.core.policy.version != bao.core.policy.version
