"""Circles: only the owner changes one, a roster counts once and in order, and who leaves gives up what came by it."""

from __future__ import annotations

import json

import pytest

from federation.documents import Roster, verify_document
from governance.terms import circle_id
from node.circles import circle_owner, take_roster
from node.errors import BadInput, NotAllowed, NotFound
from node.principal import ANYBODY, LOCAL
from node.store.governing import Audit
from node.store.rows import CircleRow, Custody, Entry
from tests.world import World, WorldNode


async def _roster(ana: WorldNode, cid: str) -> CircleRow:
    async with ana.store.read() as tx:
        row = await tx.get(CircleRow, cid)
    assert row is not None
    return row


async def _take(here: WorldNode, row: CircleRow, history: WorldNode, sender: str) -> None:
    verified = verify_document(row.roster, Roster, {history.id: history.history}.get)
    async with here.store.write() as tx:
        await take_roster(here.core, tx, verified, sender)


async def test_a_new_circle_names_its_owner_and_holds_whom_it_names(ana: WorldNode, bao: WorldNode) -> None:
    view = await ana.circles.create(LOCAL, "coast", [bao.id, ana.id, bao.id])
    assert (view.seq, view.own, view.members) == (1, True, sorted([ana.id, bao.id]))
    assert circle_owner(view.cid) == ana.id
    assert circle_id(view.audience) == view.cid
    verified = verify_document((await _roster(ana, view.cid)).roster, Roster, {ana.id: ana.history}.get)
    assert list(verified.document.members) == view.members


@pytest.mark.parametrize("slug", ["", "Coast", "a b", "a/b", "-a", "a" * 65, "küste"])
async def test_a_name_that_cannot_travel_is_refused_in_words(ana: WorldNode, slug: str) -> None:
    with pytest.raises(BadInput, match="lower-case letters"):
        await ana.circles.create(LOCAL, slug, [])


async def test_a_circle_is_made_once(ana: WorldNode) -> None:
    await ana.circles.create(LOCAL, "coast", [])
    with pytest.raises(BadInput, match="already"):
        await ana.circles.create(LOCAL, "coast", [])


async def test_adding_and_removing_count_up_and_are_noted(ana: WorldNode, bao: WorldNode) -> None:
    view = await ana.circles.create(LOCAL, "coast", [ana.id])
    for ref in ("coast", view.cid, view.audience):
        view = await ana.circles.change(LOCAL, ref, add=[bao.id])
    assert (view.seq, set(view.members)) == (4, {ana.id, bao.id})
    view = await ana.circles.change(LOCAL, "coast", remove=[bao.id, "did:key:nobody"])
    assert view.members == [ana.id]
    assert json.loads((await _roster(ana, view.cid)).former) == [bao.id]
    async with ana.store.read() as tx:
        noted = await tx.find(Audit, {"action": "circle.roster"}, order="id")
    assert [a.detail for a in noted] == ["1 members", "2 members", "2 members", "2 members", "1 members"]


async def test_members_and_former_members_are_told(ana: WorldNode, bao: WorldNode) -> None:
    view = await ana.circles.create(LOCAL, "coast", [bao.id])
    await ana.circles.change(LOCAL, "coast", remove=[bao.id])
    row = await _roster(ana, view.cid)
    async with ana.store.read() as tx:
        (line,) = await tx.find(Custody, {"entry": Entry.ROSTER})
    assert (line.copy, line.ver) == (row.id, 2)


async def test_only_a_steward_of_the_owner_changes_a_circle(world: World, ana: WorldNode, bao: WorldNode) -> None:
    await ana.circles.create(LOCAL, "coast", [bao.id])
    await world.quiet()
    assert [c.own for c in await bao.circles.list(LOCAL)] == [False]
    with pytest.raises(NotFound, match="of this node"):
        await bao.circles.change(LOCAL, "coast", add=[bao.id])
    for act in (ana.circles.create(ANYBODY, "x", []), ana.circles.change(ANYBODY, "coast", add=[bao.id])):
        with pytest.raises(NotAllowed):
            await act
    with pytest.raises(NotAllowed):
        await ana.circles.list(ANYBODY)


async def test_who_is_removed_gives_up_what_came_through_the_circle(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    view = await ana.circles.create(LOCAL, "coast", [ana.id, bao.id])
    shared = await world.publish(ana, "For the circle", audiences=(view.audience,))
    other = await world.publish(ana, "For the network")
    await world.quiet()
    assert {rid for _, rid in await bao.live()} == {shared, other}
    await ana.circles.change(LOCAL, "coast", remove=[bao.id])
    await world.quiet()
    assert {rid for _, rid in await bao.live()} == {other}


async def test_an_empty_circle_is_nobody(world: World, ana: WorldNode, bao: WorldNode) -> None:
    view = await ana.circles.create(LOCAL, "coast", [])
    await world.publish(ana, audiences=(view.audience,))
    await world.quiet()
    assert await bao.live() == {}


async def test_an_older_roster_changes_nothing_and_its_restored_owner_is_told(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    view = await ana.circles.create(LOCAL, "coast", [ana.id, bao.id])
    old = await _roster(ana, view.cid)
    await ana.circles.change(LOCAL, "coast", remove=[ana.id])
    await world.quiet()
    await _take(bao, old, ana, ana.id)
    assert json.loads((await _roster(bao, view.cid)).members) == [bao.id]
    async with bao.store.read() as tx:
        assert [(c.entry, c.ver) for c in await tx.find(Custody, {"entry": Entry.ROSTER})] == [(Entry.ROSTER, 2)]


async def test_an_owner_restored_from_a_backup_goes_on_above_with_whom_both_name(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    view = await ana.circles.create(LOCAL, "coast", [ana.id, bao.id])
    backup = ana.store.snapshot()
    await ana.circles.change(LOCAL, "coast", remove=[ana.id])
    lost = await _roster(ana, view.cid)
    ana.put_back(backup)
    await _take(ana, lost, ana, bao.id)
    row = await _roster(ana, view.cid)
    assert (row.seq, json.loads(row.members)) == (3, [bao.id])
    assert ana.id in json.loads(row.former)


async def test_a_removed_member_that_only_a_relay_reaches_gives_up_what_the_relay_gave_it() -> None:
    world = await World.make(5, 4, ((0, 1), (1, 2), (2, 3)))
    ana, *_, dina = world.nodes
    view = await ana.circles.create(LOCAL, "coast", [n.id for n in world.nodes])
    await world.publish(ana, "For the circle", audiences=(view.audience,))
    await world.quiet()
    assert [len(await n.live()) for n in world.nodes] == [1, 1, 1, 1]
    await ana.circles.change(LOCAL, "coast", remove=[dina.id])
    await world.quiet()
    assert [len(await n.live()) for n in world.nodes] == [1, 1, 1, 0]
    assert dina.id not in json.loads((await _roster(dina, view.cid)).members)


async def test_when_a_relay_is_removed_it_gives_up_its_copy_and_passes_nothing_on_any_more() -> None:
    world = await World.make(6, 3, ((0, 1), (1, 2)))
    ana, bao, chidi = world.nodes
    view = await ana.circles.create(LOCAL, "coast", [n.id for n in world.nodes])
    await world.publish(ana, "For the circle", audiences=(view.audience,))
    await world.quiet()
    assert len(await chidi.live()) == 1
    await ana.circles.change(LOCAL, "coast", remove=[bao.id])
    await world.publish(ana, "Later, for the circle", audiences=(view.audience,))
    await world.quiet()
    assert [len(await n.live()) for n in (bao, chidi)] == [0, 0]


async def test_a_circle_that_is_emptied_is_nobody_also_for_relays() -> None:
    world = await World.make(7, 3, ((0, 1), (1, 2)))
    ana = world.nodes[0]
    view = await ana.circles.create(LOCAL, "coast", [n.id for n in world.nodes])
    await world.publish(ana, "For the circle", audiences=(view.audience,))
    await world.quiet()
    await ana.circles.change(LOCAL, "coast", remove=[n.id for n in world.nodes])
    await world.quiet()
    assert [len(await n.live()) for n in world.nodes] == [1, 0, 0]
