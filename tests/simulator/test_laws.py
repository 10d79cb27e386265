"""The laws one by one, each with the schedule that would break it."""

from __future__ import annotations

import pytest

from federation.effects import Which
from governance.agreement import Phase
from node.principal import LOCAL
from node.store.rows import CircleRow, Copy, Custody, Entry, Offer, PeerRow, State
from node.support import MAX_HOPS
from tests.simulator.laws import Watcher, check_sums, circles_of
from tests.world import POLICIES, Bond, World, WorldNode, draft, set_policy, terms

ROW = ((0, 1), (1, 2), (2, 3))
RING = (*ROW, (3, 0))
DAY_S = 86_400


async def rest(world: World) -> None:
    watcher = Watcher(world.nodes)
    await watcher.remember_withdrawn()
    await world.quiet()
    await watcher.check_rest()
    for node in world.nodes:
        await check_sums(node)


async def holders(world: World, rid: str) -> str:
    """First letters of the nodes that hold a record live."""
    return "".join([n.name[0] for n in world.nodes if any(k[1] == rid for k in await n.live())])


async def state_at(node: WorldNode, rid: str) -> State | None:
    return next((State(c.state) for k, c in (await node.copies()).items() if k[1] == rid), None)


@pytest.mark.parametrize("links", [ROW, RING])
async def test_a_record_reaches_everybody_through_relays_and_narrowing_takes_it_back_from_everybody(
    links: tuple[tuple[int, int], ...],
) -> None:
    world = await World.make(1, 4, links)
    rid = await world.publish(world.nodes[0])
    await rest(world)
    assert await holders(world, rid) == "abcd"

    await world.nodes[0].library.narrow(LOCAL, rid, terms("node"))
    await rest(world)

    assert await holders(world, rid) == "a"


async def test_a_record_goes_over_as_many_lines_as_support_is_counted_for_and_no_farther() -> None:
    last = MAX_HOPS + 1
    world = await World.make(33, last + 1, tuple((n, n + 1) for n in range(last)))
    await world.publish(world.nodes[0])

    await rest(world)

    assert [len(await n.live()) for n in world.nodes] == [1] * (MAX_HOPS + 1) + [0]


@pytest.mark.parametrize("restored", [0, 1])
@pytest.mark.parametrize("opened_by", [0, 1])
async def test_after_a_backup_the_latest_roster_comes_whoever_opens_the_line(restored: int, opened_by: int) -> None:
    world = await World.make(34, 2, ((0, 1),))
    ana, bao = world.nodes
    here, there = world.nodes[opened_by], world.nodes[1 - opened_by]
    circle = await ana.circles.create(LOCAL, "friends", [ana.id, bao.id])
    await world.session(here, there)
    await world.session(there, here)
    backup = world.nodes[restored].store.snapshot()
    await ana.circles.change(LOCAL, circle.cid, add=["did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"])
    await world.session(here, there)
    await world.session(there, here)

    world.nodes[restored].put_back(backup)
    for _ in range(3):
        await world.session(here, there)

    (first,), (second,) = [await circles_of(n) for n in world.nodes]
    assert first.roster == second.roster
    assert first.seq >= 2


@pytest.mark.parametrize("links", [ROW, RING, ((0, 1), (1, 2), (2, 3), (3, 1))])
async def test_relays_that_offer_to_one_another_do_not_keep_a_copy_alive_after_the_origin_stops(
    links: tuple[tuple[int, int], ...],
) -> None:
    world = await World.make(2, 4, links)
    ana, bao = world.nodes[0], world.nodes[1]
    rid = await world.publish(ana)
    await rest(world)

    await world.declare(ana, bao, Phase.ENDED)
    if links == RING:
        await world.declare(ana, world.nodes[3], Phase.ENDED)
    await rest(world)

    assert await holders(world, rid) == "a"


async def test_a_field_that_the_origin_stops_showing_goes_from_a_circle_of_relays_too() -> None:
    world = await World.make(3, 4, ((0, 1), (1, 2), (2, 3), (3, 1)))
    rid = await world.publish(world.nodes[0], fields={"person:x": {"name": "Xolani"}})
    await rest(world)

    set_policy(world.nodes[0], POLICIES[1])  # redacts people; the version stays the same
    await rest(world)

    for node in world.nodes[1:]:
        (held,) = (await node.live()).values()
        assert held.row.rid == rid
        assert "person:x" not in held.texts


@pytest.mark.parametrize("links", [ROW, RING])
@pytest.mark.parametrize("restored", [0, 1, 2, 3])
async def test_a_withdrawn_record_does_not_come_back_with_a_node_from_a_backup(
    links: tuple[tuple[int, int], ...], restored: int
) -> None:
    world = await World.make(4, 4, links)
    rid = await world.publish(world.nodes[0])
    await rest(world)
    backup = world.nodes[restored].store.snapshot()
    await world.nodes[0].library.withdraw(LOCAL, rid, "harm")
    await rest(world)
    assert await holders(world, rid) == ""

    world.nodes[restored].put_back(backup)
    await rest(world)

    assert await holders(world, rid) == ""
    assert [await state_at(n, rid) for n in world.nodes] == [State.WITHDRAWN] * 4


@pytest.mark.parametrize("audiences", [("network",), ("direct",)])
async def test_an_origin_from_a_backup_made_before_publishing_takes_its_own_withdrawal_from_its_peers(
    audiences: tuple[str, ...],
) -> None:
    world = await World.make(5, 3, ((0, 1), (0, 2)))
    ana, bao, chidi = world.nodes
    backup = ana.store.snapshot()
    rid = await world.publish(ana, audiences=audiences, direct=(bao.id, chidi.id))
    await rest(world)
    await ana.library.withdraw(LOCAL, rid, "harm")
    await rest(world)

    ana.put_back(backup)
    await rest(world)

    assert [await state_at(n, rid) for n in world.nodes] == [State.WITHDRAWN] * 3


async def test_an_origin_from_a_backup_goes_on_above_the_versions_it_lost() -> None:
    world = await World.make(6, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana, "First")
    await rest(world)
    backup = ana.store.snapshot()
    for title in ("Second", "Third"):
        await ana.library.edit(LOCAL, rid, draft(title))
    await rest(world)

    ana.put_back(backup)
    await rest(world)

    copies = [(await n.live())[ana.id, rid] for n in (ana, bao)]
    assert [c.title for c in copies] == ["First", "First"]
    assert copies[0].row.ver == copies[1].row.ver == 4


async def test_an_origin_that_signs_a_number_twice_after_a_backup_goes_on_above_it() -> None:
    world = await World.make(7, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana, "First")
    await rest(world)
    backup = ana.store.snapshot()
    await ana.library.edit(LOCAL, rid, draft("Second, lost"))
    await rest(world)

    ana.put_back(backup)
    await ana.library.edit(LOCAL, rid, draft("Second, again"))
    await rest(world)

    assert (await bao.live())[ana.id, rid].title == "Second, again"


async def test_an_origin_from_a_backup_is_told_the_number_by_a_peer_that_holds_nothing_any_more() -> None:
    world = await World.make(8, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana, "First")
    await rest(world)
    backup = ana.store.snapshot()
    await ana.library.edit(LOCAL, rid, draft("Second"))
    await ana.library.narrow(LOCAL, rid, terms("node"))
    await rest(world)
    assert await holders(world, rid) == "a"

    ana.put_back(backup)
    await rest(world)

    assert (await bao.live())[ana.id, rid].row.ver > 3


@pytest.mark.parametrize("who", [0, 1])
async def test_nothing_is_lost_when_either_side_of_a_line_is_put_back(who: int) -> None:
    world = await World.make(9, 2, ((0, 1),))
    for n in range(4):
        await world.publish(world.nodes[n % 2], f"Record {n}")
    backup = world.nodes[who].store.snapshot()
    await rest(world)
    await world.publish(world.nodes[1 - who], "Later")
    await rest(world)

    world.nodes[who].put_back(backup)
    await rest(world)

    assert all([len(await n.live()) == 5 for n in world.nodes])


async def test_a_consent_that_ends_while_a_holder_is_offline_is_carried_out_there_without_a_word() -> None:
    world = await World.make(10, 2, ((0, 1),))
    end = world.clock.now() + DAY_S
    rid = await world.publish(world.nodes[0], field_terms={"body": terms("network", until=end)})
    await rest(world)

    world.clock.time = end
    await world.nodes[1].tend()

    (held,) = (await world.nodes[1].live()).values()
    assert sorted(held.texts) == ["summary", "title"]
    await rest(world)
    assert await holders(world, rid) == "ab"


async def test_an_agreement_that_was_suspended_and_resumed_brings_everything_back() -> None:
    world = await World.make(11, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    await rest(world)

    await world.declare(bao, ana, Phase.SUSPENDED)
    await rest(world)
    assert await holders(world, rid) == "a"

    await world.declare(bao, ana, Phase.ACTIVE)
    await rest(world)
    assert await holders(world, rid) == "ab"


async def test_what_was_refused_while_only_the_receiver_had_stopped_is_taken_once_it_goes_on() -> None:
    world = await World.make(12, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    row = await bao.peer(ana)
    world.bonds.clear()  # the notice is lost: only bao knows
    async with bao.core.store.write() as tx:
        await tx.put(PeerRow(**{**{c: getattr(row, c) for c in PeerRow.columns()}, "phase": Phase.SUSPENDED}))
    await world.quiet()
    assert await holders(world, rid) == "a"

    async with bao.core.store.write() as tx:
        now = await tx.get(PeerRow, row.id)
        assert now is not None
        await tx.put(PeerRow(**{**{c: getattr(now, c) for c in PeerRow.columns()}, "phase": Phase.ACTIVE}))
    world.clock.time += DAY_S  # refused entries are tried again every day, or at once after a notice
    await rest(world)

    assert await holders(world, rid) == "ab"


async def test_a_kept_agreement_keeps_copies_but_lets_nothing_new_through() -> None:
    world = await World.make(13, 2, ((0, 1),), Bond(keep=True))
    ana, bao = world.nodes
    first = await world.publish(ana, "First")
    await rest(world)

    await world.declare(ana, bao, Phase.ENDED)
    second = await world.publish(ana, "Second")
    await rest(world)
    assert (await holders(world, first), await holders(world, second)) == ("ab", "a")

    await ana.library.withdraw(LOCAL, first, "consent")
    await rest(world)
    assert await holders(world, first) == ""


async def test_a_node_taken_out_of_a_circle_loses_what_came_through_it_from_anybody() -> None:
    world = await World.make(14, 3, ((0, 1), (1, 2)))
    ana, bao, chidi = world.nodes
    circle = await ana.circles.create(LOCAL, "friends", [n.id for n in world.nodes])
    await world.quiet()
    rid = await world.publish(ana, audiences=(circle.audience,))
    await rest(world)
    assert await holders(world, rid) == "abc"

    await ana.circles.change(LOCAL, circle.cid, remove=[chidi.id])
    await rest(world)
    assert await holders(world, rid) == "ab"

    await ana.circles.change(LOCAL, circle.cid, add=[chidi.id])
    await rest(world)
    assert await holders(world, rid) == "abc"
    assert bao.name == "bao"


@pytest.mark.parametrize("changed_after", [False, True])
async def test_a_circle_owner_from_a_backup_does_not_let_a_removed_member_back_in(changed_after: bool) -> None:
    world = await World.make(15, 3, ((0, 1), (0, 2)))
    ana, bao, chidi = world.nodes
    circle = await ana.circles.create(LOCAL, "friends", [bao.id, chidi.id])
    await world.quiet()
    backup = ana.store.snapshot()
    await ana.circles.change(LOCAL, circle.cid, remove=[chidi.id])
    await world.quiet()

    ana.put_back(backup)
    if changed_after:
        await ana.circles.change(LOCAL, circle.cid, add=[ana.id])
    await world.publish(ana, audiences=(circle.audience,))
    await world.quiet()

    async with ana.core.store.read() as tx:
        (row,) = await tx.find(CircleRow)
    assert chidi.id not in row.members
    assert not await chidi.live()


async def test_a_marker_that_overtakes_its_record_is_confirmed_all_the_same() -> None:
    world = await World.make(21, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    row = await ana.peer(bao)
    await ana.sharing.ledger.settle(row.id)
    await ana.sharing.page(row.id, 0)  # it was on its way, and the line broke
    await ana.library.withdraw(LOCAL, rid, "consent")

    await rest(world)

    (withdrawal,) = await ana.tracing.withdrawals(LOCAL)
    assert (withdrawal.confirmed, withdrawal.waiting, withdrawal.overdue) == (1, 0, 0)


async def test_an_echo_is_not_sent_to_the_one_it_came_from() -> None:
    world = await World.make(16, 3, ROW[:2])
    await world.publish(world.nodes[0])
    await rest(world)

    chidi, bao = world.nodes[2], world.nodes[1]
    row = await chidi.peer(bao)
    async with chidi.core.store.read() as tx:
        assert not await tx.count(Custody, {"peer": row.id, "entry": Entry.PUT})


async def test_an_agreement_without_passing_on_ends_the_way_of_a_record() -> None:
    world = await World.make(17, 3, ROW[:2], Bond(passing_on=False))
    rid = await world.publish(world.nodes[0])
    await rest(world)
    assert await holders(world, rid) == "ab"


async def test_a_rest_is_found_by_one_request_and_says_that_both_sides_are_equal() -> None:
    world = await World.make(18, 2, ((0, 1),))
    await world.publish(world.nodes[0])
    await rest(world)
    world.seen.clear()

    tally = await world.session(world.nodes[0], world.nodes[1])

    assert world.seen == ["Fetch"]
    assert (tally.repaired, tally.swaps) == (0, 0)


async def test_rows_lost_at_the_receiver_are_found_and_sent_again() -> None:
    world = await World.make(19, 2, ((0, 1),))
    ana, bao = world.nodes
    for n in range(5):
        await world.publish(ana, f"Record {n}")
    await rest(world)
    async with bao.core.store.write() as tx:  # as if a disk had lost them
        (offer, *_) = await tx.find(Offer)
        copy = await tx.get(Copy, offer.copy)
        assert copy is not None
        await tx.delete(Offer, {"copy": offer.copy})
        await tx.delete(Copy, {"id": copy.id})
        peer = await tx.get(PeerRow, offer.peer)
        assert peer is not None
        total = (int.from_bytes(peer.offer_sum) - int.from_bytes(offer.copy_id)) % 2**256
        changed = {c: getattr(peer, c) for c in PeerRow.columns()} | {
            "offer_count": peer.offer_count - 1,
            "offer_sum": total.to_bytes(32),
            "offer_bytes": peer.offer_bytes - offer.size,
        }
        await tx.put(PeerRow(**changed))

    tally = await world.session(bao, ana)

    assert tally.repaired == 1
    assert len(await bao.live()) == 5
    assert Which.GIVEN.mirrored() is Which.TAKEN
