"""Emergency holds over whole nodes: nothing new goes out, copies hide and stay, less passes, lifting undoes it."""

from __future__ import annotations

import pytest

from governance.gate import Member, Role
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.finding import SearchRequest
from node.holds.holding import notices
from node.principal import LOCAL, Principal
from node.store.rows import State
from tests.world import World, WorldNode, draft, terms

MEMBER = Principal("mia", Member(Role.MEMBER), frozenset({"read"}))
CHAIN = ((0, 1), (1, 2))


async def _sees(node: WorldNode, who: Principal, rid: str) -> bool:
    try:
        return bool(await node.readings.show(who, rid))
    except NotFound:
        return False


async def _found(node: WorldNode, who: Principal, words: str) -> tuple[int, int, bool]:
    await node.tend()
    view = await node.find.search(who, SearchRequest(words))
    return view.total, len(view.hits), any(view.facets.values())


async def _texts(node: WorldNode, origin: WorldNode, rid: str) -> dict[str, object]:
    held = (await node.live()).get((origin.id, rid))
    return {} if held is None else held.values


@pytest.fixture
async def chain() -> World:
    """Ana, who shares with bao, who passes on to chidi."""
    return await World.make(1, 3, CHAIN)


async def _shared(world: World) -> str:
    rid = await world.publish(world.nodes[0], "Wells of the valley")
    await world.quiet()
    assert [(await _texts(n, world.nodes[0], rid)).get("title") for n in world.nodes] == ["Wells of the valley"] * 3
    return rid


async def test_a_hold_hides_a_record_at_every_holder_and_lifting_shows_it_again(chain: World) -> None:
    ana = chain.nodes[0]
    rid = await _shared(chain)
    view = await ana.holds.hold(LOCAL, "record", rid, "a name can be guessed")

    assert not await _sees(ana, MEMBER, rid)
    await chain.quiet()

    for node in chain.nodes:
        assert not await _sees(node, MEMBER, rid)
        assert await _found(node, MEMBER, "wells") == (0, 0, False)
        assert (await _found(node, LOCAL, "wells"))[0] == 1
        assert await _texts(node, ana, rid)
        assert (await node.readings.show(LOCAL, rid)).on_hold
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    for node in chain.nodes:
        assert await _sees(node, MEMBER, rid)
        assert (await _found(node, MEMBER, "wells"))[0] == 1


async def test_what_is_on_hold_goes_to_nobody_new_and_comes_when_it_is_lifted(chain: World) -> None:
    ana, bao, _ = chain.nodes
    rid = await chain.publish(ana)
    view = await ana.holds.hold(LOCAL, "record", rid)
    await chain.quiet()
    assert not await _texts(bao, ana, rid)
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    assert await _texts(bao, ana, rid)


async def test_an_edit_is_not_sent_during_a_hold_and_arrives_after_it(chain: World) -> None:
    ana, bao, chidi = chain.nodes
    rid = await _shared(chain)
    view = await ana.holds.hold(LOCAL, "record", rid)
    await ana.library.edit(LOCAL, rid, draft("A new title", fields={"body": "new words"}))
    await chain.quiet()
    assert (await _texts(bao, ana, rid))["title"] == "Wells of the valley"
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    assert [(await _texts(n, ana, rid))["title"] for n in (bao, chidi)] == ["A new title"] * 2


@pytest.mark.parametrize("holder", [0, 1])
async def test_a_field_that_an_edit_took_out_during_a_hold_is_taken_back(chain: World, holder: int) -> None:
    ana, bao, chidi = chain.nodes
    rid = await chain.publish(ana, "Wells of the valley", fields={"labels": ["tlp:green"]})
    await chain.quiet()
    view = await chain.nodes[holder].holds.hold(LOCAL, "record", rid)
    await ana.library.edit(LOCAL, rid, draft("Wells of the valley"))
    await chain.quiet()
    assert "labels" not in await _texts(chain.nodes[holder + 1], ana, rid)
    await chain.nodes[holder].holds.lift(LOCAL, view.hid)
    await chain.quiet()
    assert [set(await _texts(n, ana, rid)) for n in (bao, chidi)] == [{"title", "summary", "body"}] * 2


async def test_an_edit_that_waited_for_the_peer_when_the_hold_came_is_not_sent_either(chain: World) -> None:
    ana, bao, _ = chain.nodes
    rid = await _shared(chain)
    await ana.library.edit(LOCAL, rid, draft("A new title"))
    await ana.sharing.ledger.settle((await ana.peer(bao)).id)
    await ana.holds.hold(LOCAL, "record", rid)
    await chain.quiet()
    assert (await _texts(bao, ana, rid))["title"] == "Wells of the valley"


async def test_less_of_a_record_passes_during_a_hold(chain: World) -> None:
    ana, bao, _ = chain.nodes
    rid = await _shared(chain)
    view = await ana.holds.hold(LOCAL, "record", rid)
    await ana.library.narrow(LOCAL, rid, terms("node"), ["body"])
    await chain.quiet()
    assert set(await _texts(bao, ana, rid)) == {"title", "summary"}
    assert not await _sees(bao, MEMBER, rid)
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    assert set(await _texts(bao, ana, rid)) == {"title", "summary"}
    assert await _sees(bao, MEMBER, rid)


async def test_a_withdrawal_erases_during_a_hold(chain: World) -> None:
    ana, bao, chidi = chain.nodes
    rid = await _shared(chain)
    await ana.holds.hold(LOCAL, "all", "")
    await ana.library.withdraw(LOCAL, rid, "consent")
    await chain.quiet()
    assert [(await n.copies())[ana.id, rid].state for n in (bao, chidi)] == [State.WITHDRAWN] * 2


async def test_both_sides_count_the_same_during_a_hold(chain: World) -> None:
    ana, bao, chidi = chain.nodes
    rid = await _shared(chain)
    await ana.library.edit(LOCAL, rid, draft("A new title"))
    await ana.sharing.ledger.settle((await ana.peer(bao)).id)
    await ana.holds.hold(LOCAL, "record", rid)
    for _ in range(2):
        await chain.session(ana, bao)
        await chain.session(bao, chidi)
    tallies = [await chain.session(a, b) for a, b in ((ana, bao), (bao, ana), (bao, chidi), (chidi, bao))]
    assert [t.repaired for t in tallies] == [0, 0, 0, 0]


@pytest.mark.parametrize("scope", ["all", "peer", "circle"])
async def test_a_hold_on_more_than_a_record_hides_what_it_covers(chain: World, scope: str) -> None:
    ana, bao, _ = chain.nodes
    circle = await ana.circles.create(LOCAL, "coast", [n.id for n in chain.nodes])
    await chain.quiet()
    inside = await chain.publish(ana, "Inside", field_terms={"body": terms(circle.audience)})
    outside = await chain.publish(ana, "Outside")
    await chain.quiet()
    target = {"all": "", "peer": bao.name, "circle": "coast"}[scope]
    view = await ana.holds.hold(LOCAL, scope, target)
    later = await chain.publish(ana, "Later", audiences=(circle.audience,))
    await chain.quiet()
    hidden = {
        "all": {(n.name, r) for n in chain.nodes for r in (inside, outside, later)},
        "peer": {(bao.name, r) for r in (inside, outside, later)},
        "circle": {(n.name, r) for n in chain.nodes for r in (inside, later)},
    }[scope]
    for node in chain.nodes:
        for rid in (inside, outside):
            assert await _texts(node, ana, rid)
            assert await _sees(node, MEMBER, rid) == ((node.name, rid) not in hidden)
        names = {"Inside": inside, "Outside": outside}
        for word, rid in names.items():
            assert (await _found(node, MEMBER, word))[0] == ((node.name, rid) not in hidden)
    assert not await _texts(bao, ana, later)
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    for node in chain.nodes:
        for rid in (inside, outside, later):
            assert await _sees(node, MEMBER, rid)
        assert (await _found(node, MEMBER, "inside"))[0] == 1


async def test_explain_names_the_hold_and_attachments_follow_the_same_word(chain: World) -> None:
    ana, bao, _ = chain.nodes
    rid = await _shared(chain)
    await ana.holds.hold(LOCAL, "peer", bao.name)
    view = await ana.tracing.explain(LOCAL, rid, bao.name)
    assert (view.outcome, view.fields) == ("withhold", [])
    assert any("on hold" in words for words in view.words)


async def test_a_hold_is_named_to_members_without_its_target_and_to_administrators_with_it(chain: World) -> None:
    ana = chain.nodes[0]
    rid = await _shared(chain)
    view = await ana.holds.hold(LOCAL, "record", rid)
    async with ana.store.read() as tx:
        (said,) = await notices(tx)
    assert "ON HOLD: record (1)" in said
    assert rid not in said
    (check,) = await ana.holds.health()
    assert (check.ok, rid in check.detail, view.hid in check.remedy) == (False, True, True)
    everything = await ana.holds.hold(LOCAL, "all", "")
    async with ana.store.read() as tx:
        assert (await notices(tx))[0].startswith("ON HOLD: EVERYTHING")
    for hold in (view, everything):
        await ana.holds.lift(LOCAL, hold.hid)
    assert await ana.holds.health() == []
    assert [h.lifted_by for h in await ana.holds.list(LOCAL, every=True)] == [LOCAL.actor] * 2


async def test_a_hold_that_cannot_be_is_refused_and_changes_nothing(chain: World) -> None:
    ana = chain.nodes[0]
    rid = await _shared(chain)
    await ana.holds.hold(LOCAL, "record", rid)
    with pytest.raises(NotNow, match="already"):
        await ana.holds.hold(LOCAL, "record", rid)
    for scope, target, note, error in (
        ("region", "KE", "", BadInput), ("all", "", "n" * 501, BadInput), ("circle", "nowhere", "", NotFound),
        ("peer", "nobody", "", NotFound), ("record", "0198c0de-0000-7000-8000-000000000000", "", NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            await ana.holds.hold(LOCAL, scope, target, note)
    with pytest.raises(NotFound, match="hold list"):
        await ana.holds.lift(LOCAL, "none")
    for act in (ana.holds.hold(MEMBER, "all", ""), ana.holds.lift(MEMBER, "x"), ana.holds.list(MEMBER)):
        with pytest.raises(NotAllowed):
            await act
    assert len(await ana.holds.list(LOCAL)) == 1
