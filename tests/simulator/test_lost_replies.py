"""The lost-reply table: every message of a session, lost on its way or on its way back, doubled, or cut by a crash.

Whatever happened, one more session brings both sides to what they may hold.
"""

from __future__ import annotations

import pytest

from federation.documents import ItemState
from federation.errors import PeerError
from governance.agreement import Phase
from node.principal import LOCAL
from node.store.rows import Outgoing, PeerRow, ReceiptRow
from tests.simulator.laws import Watcher, check_sums
from tests.world import Crash, Fault, LineBroken, World, WorldNode, draft, terms

WHAT = ("request", "reply", "twice", "crash-here", "crash-there")


async def busy_pair() -> tuple[World, list[str]]:
    """Two nodes with everything under way: new, changed, narrowed, withdrawn, refused, a circle, and a lost row."""
    world = await World.make(31, 2, ((0, 1),))
    ana, bao = world.nodes
    circle = await ana.circles.create(LOCAL, "friends", [ana.id, bao.id])
    rids = [await world.publish(n, f"{n.name} {i}") for n in world.nodes for i in range(4)]
    await world.publish(ana, audiences=(circle.audience,))
    await world.quiet()
    for n, node in enumerate(world.nodes):
        first, second, third, _ = rids[4 * n : 4 * n + 4]
        await node.library.edit(LOCAL, first, draft("Changed"))
        await node.library.narrow(LOCAL, second, terms("node"))
        await node.library.withdraw(LOCAL, third, "harm")
        await world.publish(node, f"{node.name} new")
    await ana.circles.change(LOCAL, circle.cid, remove=[bao.id])
    return world, rids


async def with_mail() -> World:
    """A receipt waits at the second node, which does not open lines itself."""
    world = await World.make(32, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    await world.quiet()
    await ana.library.withdraw(LOCAL, rid, "harm")
    await world.session(ana, bao)
    await bao.tend()
    world.seen.clear()
    return world


async def _struck(world: World, here: WorldNode, there: WorldNode, fault: Fault) -> None:
    """A session with a fault; a lost message always ends it, a crash only where there was a commit to hit."""
    try:
        await world.session(here, there, fault)
    except (LineBroken, Crash):
        here.restart()
        there.restart()
    else:
        assert fault.what not in ("request", "reply")


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("opened_by", [0, 1])
async def test_after_any_broken_message_the_next_sessions_converge(what: str, opened_by: int) -> None:
    world, _ = await busy_pair()
    here, there = world.nodes[opened_by], world.nodes[1 - opened_by]
    before = [n.store.snapshot() for n in world.nodes]
    await world.session(here, there)
    for at in range(world.messages):
        for node, backup in zip(world.nodes, before, strict=True):
            node.put_back(backup)
        await _struck(world, here, there, Fault(at, what))
        for node in world.nodes:
            await check_sums(node)

        await world.session(here, there)
        await world.tend()

        watcher = Watcher(world.nodes)
        await watcher.remember_withdrawn()
        await watcher.check_rest()


@pytest.mark.parametrize("what", WHAT)
async def test_a_broken_repair_is_repaired_by_the_next_session(what: str) -> None:
    world, _ = await busy_pair()
    await world.quiet()
    ana, bao = world.nodes
    backup = bao.store.snapshot()
    await world.publish(ana, "Later")
    await world.publish(bao, "Lost with the disk")
    await world.quiet()
    now = ana.store.snapshot()
    bao.put_back(backup)
    await world.session(ana, bao)
    for at in range(world.messages):
        ana.put_back(now)
        bao.put_back(backup)
        await _struck(world, ana, bao, Fault(at, what))

        await world.session(ana, bao)
        await world.session(bao, ana)
        await world.tend()

        await Watcher(world.nodes).check_rest()


@pytest.mark.parametrize("what", WHAT)
async def test_a_receipt_whose_collection_is_broken_is_collected_by_the_next_session(what: str) -> None:
    world = await with_mail()
    ana, bao = world.nodes
    before = [n.store.snapshot() for n in world.nodes]
    await world.session(ana, bao)
    assert "Collect" in world.seen
    for at in range(world.messages):
        for node, backup in zip(world.nodes, before, strict=True):
            node.put_back(backup)
        await _struck(world, ana, bao, Fault(at, what))

        await world.session(ana, bao)

        async with ana.core.store.read() as tx:
            (receipt,) = await tx.find(ReceiptRow)
        assert receipt.state == ItemState.ERASED
        async with bao.core.store.read() as tx:
            assert not await tx.count(Outgoing)


async def test_a_peer_that_never_agrees_on_withdrawals_is_told_apart_from_a_loss() -> None:
    world, _ = await busy_pair()
    await world.quiet()
    ana, bao = world.nodes
    row = await bao.peer(ana)
    async with bao.core.store.write() as tx:  # a fault in bao's books
        changed = {c: getattr(row, c) for c in PeerRow.columns()} | {"mark_count": row.mark_count + 1}
        await tx.put(PeerRow(**changed))

    with pytest.raises(PeerError, match="still differ"):
        await world.session(ana, bao)


async def test_a_suspended_peer_still_gets_withdrawals() -> None:
    world, rids = await busy_pair()
    await world.quiet()
    ana, bao = world.nodes
    await world.declare(ana, bao, Phase.SUSPENDED)
    await world.quiet()
    await ana.library.withdraw(LOCAL, rids[3], "harm")

    await world.session(ana, bao)

    assert (await bao.copies())[ana.id, rids[3]].withdrawal is not None
