"""Proposals on whole nodes: nothing is in force before enough stewards have seen it and said yes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from governance.errors import PolicyError
from governance.gate import Role
from governance.proposal import HOUR_S, Rules
from node.agreements import ProposedAgreement
from node.errors import BadInput, NodeError, NotAllowed, NotFound, NotNow
from node.previews.foreseeing import AgreementWish, Foreseeing, Wish
from node.principal import LOCAL, Principal
from node.proposals import Pending
from node.proposals.acts import (
    Act,
    AgreementStep,
    CircleChange,
    CircleCreate,
    HoldLift,
    PolicyChange,
    RecordRelease,
    StewardAdd,
    StewardRemove,
)
from node.proposals.proposals import Proposals
from node.reading import Readings
from node.store.governing import PolicyRow, ProposalRow, ReleaseRow, VoteRow
from node.store.rows import ALL_ROWS
from tests.unit.node.stewarding import accounts, agreed, change_account, noted
from tests.world import OPEN_POLICY, SHUT_POLICY, Crash, World, WorldNode

SHUT = PolicyChange(text=SHUT_POLICY)
REOPENED = PolicyChange(text=OPEN_POLICY.replace('"open"', '"open again"'))
MEMBERLESS = PolicyChange(
    text='name = "public"\n[[rule]]\nid = "p"\neffect = "share"\nto = "public"\nreason = "For all."\n'
)
HOLDING_POLICY = (
    OPEN_POLICY.replace('"open"', '"holding"', 1)
    + """
[[rule]]
id = "guides-wait"
effect = "hold"
to = ["peer"]
when.kind = "guide"
reason = "Guides are looked at first."
[[rule.example]]
to = "peer"
kind = "guide"
"""
)


@pytest.fixture
async def amal(ana: WorldNode) -> Principal:
    return (await accounts(ana, "amal"))[0]


@pytest.fixture
async def team(ana: WorldNode) -> list[Principal]:
    return await accounts(ana, "amal", "bela", "chen")


async def test_a_narrowing_policy_is_in_force_once_two_of_three_have_said_yes_and_takes_records_back(
    world: World, ana: WorldNode, bao: WorldNode, team: list[Principal]
) -> None:
    await world.publish(ana)
    await world.quiet()
    view = await ana.proposals.propose(team[0], SHUT)
    assert view.state == "open"
    assert view.impact["peers"][0]["stops"]["records"] == 1
    assert view.missing == 2
    await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    await world.quiet()
    assert await bao.live()
    done = await ana.proposals.vote(team[2], view.pid, "yes", view.hash[:12])
    assert done.state == "in-force"
    await world.quiet()
    assert not await bao.live()
    async with ana.store.read() as tx:
        assert [(p.name, p.pid) for p in await tx.find(PolicyRow)] == [("shut", view.pid)]
    assert [a.detail for a in await noted(ana, "policy.in-force")] == [f"proposal {view.pid}"]


async def test_a_proposal_keeps_no_title_and_shows_one_only_to_those_who_may_read_it(
    world: World, ana: WorldNode, bao: WorldNode, team: list[Principal]
) -> None:
    await world.publish(ana, title="The ferry at night")
    await world.quiet()
    view = await ana.proposals.propose(team[0], MEMBERLESS)
    assert view.impact["peers"][0]["stops"]["examples"] == ["The ferry at night"]
    async with ana.store.read() as tx:
        assert not any("ferry" in row.preview for row in await tx.find(ProposalRow))
    await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    await ana.proposals.vote(team[1], view.pid, "yes", view.hash)  # nobody may read anything from now on
    assert (await ana.proposals.show(team[0], view.pid)).impact["peers"][0]["stops"]["examples"] == []


async def test_terms_with_a_peer_are_foreseen(world: World, ana: WorldNode, bao: WorldNode) -> None:
    await world.publish(ana)
    await world.quiet()
    foreseeing = Foreseeing(ana.core, Readings(ana.core), ana.peers, ana.circles)
    wish = Wish(agreement=AgreementWish(peer=bao.core.node_id, terms=ProposedAgreement(kinds=("checklist",))))
    *_, last = [line async for line in foreseeing.preview(LOCAL, wish)]
    assert last.impact is not None
    assert [p.stops.records for p in last.impact.peers] == [1]
    with pytest.raises(NotFound, match="hold list"):
        await foreseeing.what_if(LOCAL, Wish(lift="nothing"))


async def test_the_proposer_alone_is_enough_where_there_is_one_steward_and_the_log_says_so(
    ana: WorldNode, amal: Principal
) -> None:
    view = await agreed(ana.proposals, SHUT, amal)
    assert view.state == "in-force"
    assert "one steward" in (await noted(ana, "policy.in-force"))[0].detail


async def test_without_stewards_the_local_administrator_is_the_one_and_with_them_only_proposes(
    ana: WorldNode,
) -> None:
    assert (await agreed(ana.proposals, SHUT, LOCAL)).state == "in-force"
    await accounts(ana, "amal")
    view = await ana.proposals.propose(LOCAL, REOPENED)
    with pytest.raises(NotAllowed, match="only stewards vote"):
        await ana.proposals.vote(LOCAL, view.pid, "yes", view.hash)


async def test_an_edit_takes_all_votes_back(ana: WorldNode, team: list[Principal]) -> None:
    view = await ana.proposals.propose(team[0], SHUT)
    await ana.proposals.vote(team[1], view.pid, "yes", view.hash)
    edited = await ana.proposals.edit(team[0], view.pid, REOPENED)
    assert edited.hash != view.hash
    assert edited.yes == 0
    with pytest.raises(NotNow, match="look at it again"):
        await ana.proposals.vote(team[1], view.pid, "yes", view.hash)


async def test_a_steward_who_was_removed_meanwhile_does_not_count(ana: WorldNode, team: list[Principal]) -> None:
    view = await ana.proposals.propose(team[0], SHUT)
    await ana.proposals.vote(team[1], view.pid, "yes", view.hash)
    await change_account(ana, "bela", role=Role.MEMBER)
    view = await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    assert (view.state, view.missing) == ("open", 1)
    assert {v.account: v.counts for v in view.votes} == {"amal": True, "bela": False}
    assert (await ana.proposals.vote(team[2], view.pid, "yes", view.hash)).state == "in-force"


async def test_what_voters_did_not_see_goes_back_to_them(
    world: World, ana: WorldNode, bao: WorldNode, team: list[Principal]
) -> None:
    await agreed(ana.proposals, SHUT, *team[:2])
    await world.publish(ana, "Seen")
    view = await ana.proposals.propose(team[0], REOPENED)
    assert view.impact["peers"][0]["starts"]["records"] == 1
    await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    await world.publish(ana, "Not seen")
    back = await ana.proposals.vote(team[1], view.pid, "yes", view.hash)
    assert back.state == "open"
    assert back.hash != view.hash
    assert back.yes == 0
    assert back.impact["peers"][0]["starts"]["records"] == 2
    await world.quiet()
    assert not await bao.live()
    assert await noted(ana, "proposal.returned")
    for one in team[:2]:
        back = await ana.proposals.vote(one, view.pid, "yes", back.hash)
    assert back.state == "in-force"
    await world.quiet()
    assert len(await bao.live()) == 2


async def test_less_than_was_seen_does_not_ask_again(world: World, ana: WorldNode, team: list[Principal]) -> None:
    await agreed(ana.proposals, SHUT, *team[:2])
    gone = await world.publish(ana, "Gone by then")
    view = await ana.proposals.propose(team[0], REOPENED)
    await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    await ana.library.withdraw(LOCAL, gone, "error")
    assert (await ana.proposals.vote(team[1], view.pid, "yes", view.hash)).state == "in-force"


async def test_a_waiting_period_is_waited_out_and_a_no_in_it_stops_the_act(
    world: World, ana: WorldNode, team: list[Principal]
) -> None:
    slow = _slow(ana)
    view = await agreed(slow, SHUT, *team[:2])
    assert view.state == "approved"
    assert view.due_at == world.clock.now() + HOUR_S
    other = await agreed(slow, REOPENED, *team[1:])
    other = await slow.vote(team[2], other.pid, "no", other.hash)
    assert other.state == "open"
    world.clock.time += HOUR_S
    await slow.tend()
    assert (await slow.show(team[0], view.pid)).state == "in-force"
    assert (await slow.show(team[0], other.pid)).state == "open"


async def test_a_proposal_lapses_that_was_not_approved_in_time(
    world: World, ana: WorldNode, team: list[Principal]
) -> None:
    view = await ana.proposals.propose(team[0], SHUT)
    world.clock.time = view.closes_at or 0
    await ana.proposals.tend()
    late = await ana.proposals.show(team[0], view.pid)
    assert late.state == "lapsed"
    with pytest.raises(NotNow, match="make a new proposal"):
        await ana.proposals.vote(team[1], view.pid, "yes", view.hash)


async def test_two_noes_of_three_reject_and_nothing_revives_it(ana: WorldNode, team: list[Principal]) -> None:
    view = await ana.proposals.propose(team[0], SHUT)
    for one in team[1:]:
        view = await ana.proposals.vote(one, view.pid, "no", view.hash)
    assert view.state == "rejected"
    with pytest.raises(NotNow):
        await ana.proposals.vote(team[0], view.pid, "yes", view.hash)


async def test_only_the_proposer_changes_or_takes_back(ana: WorldNode, team: list[Principal]) -> None:
    view = await ana.proposals.draft(team[0], SHUT, "Close for a while")
    with pytest.raises(NotNow, match="open it first"):
        await ana.proposals.vote(team[1], view.pid, "yes", view.hash)
    for attempt in (
        ana.proposals.open(team[1], view.pid),
        ana.proposals.edit(team[1], view.pid, REOPENED),
        ana.proposals.withdraw(team[1], view.pid),
    ):
        with pytest.raises(NotAllowed, match="amal proposed this"):
            await attempt
    assert (await ana.proposals.open(team[0], view.pid)).state == "open"
    assert (await ana.proposals.comment(team[1], view.pid, "Why now?")).comments[0].account == "bela"
    assert (await ana.proposals.withdraw(team[0], view.pid)).state == "withdrawn"


async def test_an_existing_call_becomes_a_proposal_where_two_have_to_agree(
    world: World, ana: WorldNode, team: list[Principal]
) -> None:
    with pytest.raises(Pending, match="2 more votes") as pending:
        await ana.circles.create(team[0], "coast", [world.nodes[1].id])
    view = pending.value.view
    assert await ana.circles.list(team[0]) == []
    for one in team[:2]:
        await ana.proposals.vote(one, view.pid, "yes", view.hash)
    assert [c.members for c in await ana.circles.list(team[0])] == [[world.nodes[1].id]]
    with pytest.raises(Pending):
        await ana.circles.change(team[1], "coast", remove=[world.nodes[1].id])
    with pytest.raises(Pending):
        await ana.peers.suspend(team[1], "bao")


async def test_stewards_are_changed_by_proposals_and_the_last_one_stays(ana: WorldNode, amal: Principal) -> None:
    (bela,) = await accounts(ana, "bela", role=Role.MEMBER)
    assert (await agreed(ana.proposals, StewardAdd(account="Bela"), amal)).state == "in-force"
    bela = (await accounts(ana, "bela"))[0]
    gone = await agreed(ana.proposals, StewardRemove(account="amal"), bela, amal)
    assert gone.state == "in-force"
    with pytest.raises(NotNow, match="last steward"):
        await ana.proposals.propose(bela, StewardRemove(account="bela"))


async def test_a_held_record_goes_out_once_it_is_released_and_an_edit_waits_again(
    world: World, ana: WorldNode, bao: WorldNode, team: list[Principal]
) -> None:
    await agreed(ana.proposals, PolicyChange(text=HOLDING_POLICY), *team[:2])
    rid = await world.publish(ana, "Wells")
    await world.quiet()
    assert not await bao.live()
    view = await agreed(ana.proposals, RecordRelease(record=rid, to="bao"), *team[:2])
    assert view.state == "in-force"
    assert view.impact["peers"][0]["starts"]["records"] == 1
    await world.quiet()
    assert [r for _, r in await bao.live()] == [rid]

    draft = await ana.library.draft(LOCAL, rid)
    narrower = draft.model_copy(update={"field_terms": {"body": {"aud": ["node"], "pur": ["learning"]}}})
    await ana.library.edit(LOCAL, rid, narrower)
    async with ana.store.read() as tx:
        assert [r.ver for r in await tx.find(ReleaseRow)] == [2]
    await world.quiet()
    assert "body" not in (await bao.live())[(ana.id, rid)].texts

    await ana.library.edit(LOCAL, rid, narrower.model_copy(update={"fields": draft.fields | {"summary": "Other"}}))
    await world.quiet()
    assert not await bao.live()


async def test_a_release_of_another_version_than_the_present_one_is_refused(
    world: World, ana: WorldNode, team: list[Principal]
) -> None:
    rid = await world.publish(ana)
    view = await ana.proposals.propose(team[0], RecordRelease(record=rid))
    draft = await ana.library.draft(LOCAL, rid)
    await ana.library.edit(LOCAL, rid, draft.model_copy(update={"fields": draft.fields | {"summary": "Other"}}))
    for one in team[:2]:
        view = await ana.proposals.vote(one, view.pid, "yes", view.hash)
    assert view.state == "lapsed"
    assert "was edited" in view.note
    async with ana.store.read() as tx:
        assert not await tx.find(ReleaseRow)


async def test_an_emergency_hold_is_lifted_by_quorum(
    world: World, ana: WorldNode, bao: WorldNode, team: list[Principal]
) -> None:
    await world.publish(ana)
    hold = await ana.holds.hold(team[0], "all", "", "look first")
    with pytest.raises(Pending) as pending:
        await ana.holds.lift(team[0], hold.hid)
    await world.quiet()
    assert not await bao.live()
    assert pending.value.view.impact["peers"][0]["starts"]["records"] == 1
    for one in team[:2]:
        await ana.proposals.vote(one, pending.value.view.pid, "yes", pending.value.view.hash)
    await world.quiet()
    assert await bao.live()


async def test_no_page_after_the_activation_is_cut_the_old_way(
    world: World, ana: WorldNode, bao: WorldNode, team: list[Principal]
) -> None:
    for n in range(12):
        await world.publish(ana, f"Guide {n}")
    peer = (await ana.peer(bao)).id
    view = await ana.proposals.propose(team[0], SHUT)
    await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    served: list[tuple[str, int]] = []
    begun = asyncio.Event()

    async def hammer() -> None:
        for _ in range(40):
            async with ana.core.store.read() as tx:
                before = (await ana.core.policy_in(tx)).version
            await ana.sharing.ledger.settle(peer)
            page = await ana.sharing.page(peer, 0)
            served.append((before, sum(type(e).__name__ == "Put" for e in page.entries)))
            if len(served) == 5:
                begun.set()
            await asyncio.sleep(0)

    hammering = asyncio.create_task(hammer())
    await begun.wait()
    await ana.proposals.vote(team[1], view.pid, "yes", view.hash)
    await hammering
    new = ana.core.policy.version
    assert {puts for version, puts in served if version == new} == {0}
    assert {puts for version, puts in served if version != new} - {0}


async def test_a_crash_at_the_commit_leaves_the_old_policy_and_the_proposal_due(
    ana: WorldNode, team: list[Principal]
) -> None:
    view = await ana.proposals.propose(team[0], SHUT)
    await ana.proposals.vote(team[0], view.pid, "yes", view.hash)
    ana.store.crash_in = 2  # the vote, its settling, then the activation
    with pytest.raises(Crash):
        await ana.proposals.vote(team[1], view.pid, "yes", view.hash)
    ana.restart()
    async with ana.store.read() as tx:
        assert not await tx.find(PolicyRow)
    await ana.proposals.tend()
    assert (await ana.proposals.show(team[0], view.pid)).state == "in-force"
    async with ana.store.read() as tx:
        assert len(await tx.find(PolicyRow)) == 1


BAD_ACTS: list[tuple[Act, type[Exception], str]] = [
    (PolicyChange(text="x ="), PolicyError, "not TOML.*mend the line"),
    (PolicyChange(text=SHUT_POLICY.replace("[[rule.example]]", "[[rule.exemple]]")), PolicyError, "exemple"),
    (PolicyChange(text=OPEN_POLICY), BadInput, "in force already"),
    (AgreementStep(kind="agreement.end", peer="nobody"), NotFound, "peer list"),
    (AgreementStep(kind="agreement.resume", peer="bao"), NotNow, "cannot resume"),
    (CircleCreate(slug="North Side"), BadInput, "lower-case"),
    (CircleCreate(slug="north", members=("did:key:zzz",)), BadInput, "node id"),
    (CircleChange(circle="none", add=("bao",)), NotFound, "circle list"),
    (RecordRelease(record="zz"), BadInput, "8 characters"),
    (RecordRelease(record="0198c0de-0000-7000-8000-000000000000"), NotFound, "record list"),
    (StewardAdd(account="nobody"), NotFound, "nobody"),
    (StewardAdd(account="amal"), NotNow, "steward already"),
    (StewardRemove(account="guest"), NotNow, "no steward"),
    (HoldLift(hold="none"), NotFound, "none"),
]


@pytest.mark.parametrize(("act", "error", "words"), BAD_ACTS, ids=lambda v: getattr(v, "kind", ""))
async def test_an_act_that_cannot_be_done_is_refused_with_the_way_out_and_changes_nothing(
    ana: WorldNode, team: list[Principal], act: Act, error: type[Exception], words: str
) -> None:
    await accounts(ana, "guest", role=Role.MEMBER)
    await agreed(ana.proposals, PolicyChange(text=OPEN_POLICY + "\n"), *team[:2])
    if isinstance(act, PolicyChange) and act.text == OPEN_POLICY:
        act = PolicyChange(text=OPEN_POLICY + "\n")
    open_one = await ana.proposals.propose(team[0], SHUT)
    before = await _rows(ana)
    with pytest.raises(error, match=words):
        await ana.proposals.propose(team[0], act)
    with pytest.raises(error, match=words):
        await ana.proposals.edit(team[0], open_one.pid, act)
    assert await _rows(ana) == before


async def test_a_bad_call_says_the_way_out_and_changes_nothing(ana: WorldNode, team: list[Principal]) -> None:
    view = await ana.proposals.propose(team[0], SHUT)
    (guest,) = await accounts(ana, "guest", role=Role.MEMBER)
    before = await _rows(ana)
    p, pid, code = ana.proposals, view.pid, view.hash
    calls: list[tuple[Any, type[NodeError], str]] = [
        (p.show(team[0], "none"), NotFound, "proposal list"),
        (p.show(guest, pid), NotAllowed, "steward"),
        (p.propose(guest, SHUT), NotAllowed, "steward"),
        (p.propose(team[0], SHUT, "x" * 201), BadInput, "200 characters"),
        (p.vote(guest, pid, "yes", code), NotAllowed, "steward"),
        (p.vote(LOCAL, pid, "yes", code), NotAllowed, "only stewards vote"),
        (p.vote(team[1], pid, "perhaps", code), BadInput, "yes or no"),
        (p.vote(team[1], pid, "yes", code[:11]), BadInput, "first 12"),
        (p.vote(team[1], pid, "yes", "0" * 64), NotNow, "look at it again"),
        (p.comment(team[1], pid, "  "), BadInput, "1 to 5000"),
        (p.comment(team[1], pid, "x" * 5_001), BadInput, "1 to 5000"),
        (p.open(team[0], pid), NotNow, "cannot be opened"),
        (p.list(team[0], "asleep"), BadInput, "draft"),
    ]
    for call, error, words in calls:
        with pytest.raises(error, match=words):
            await call
    assert await _rows(ana) == before
    async with ana.store.read() as tx:
        assert not await tx.find(VoteRow)


def _slow(node: WorldNode) -> Proposals:
    """The same proposals, with an hour to wait."""
    p = node.proposals
    return Proposals(p._core, p._previews, p._doings, Rules(waiting_s=HOUR_S), {})


async def _rows(node: WorldNode) -> dict[str, list[str]]:
    async with node.store.read() as tx:
        return {kind.TABLE: sorted(map(repr, await tx.find(kind))) for kind in ALL_ROWS}
