"""Hides on the wire: only the origin's own records, only a newer word, bounded, and remembered through backups."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from federation.documents import verify_document
from federation.hides import Hide, HideScope
from governance.agreement import Phase
from governance.gate import Member, Role
from node.errors import NotFound, NotNow
from node.holds.hiding import MAX_HIDES, Refused, take_hide
from node.holds.holding import hide_here
from node.principal import LOCAL, Principal
from node.store.governing import HideRow, HoldRow
from node.store.rows import Custody, Entry
from tests.world import Bond, World, WorldNode

MEMBER = Principal("mia", Member(Role.MEMBER), frozenset({"read"}))
CHAIN = ((0, 1), (1, 2))


async def _shown(node: WorldNode, rid: str) -> bool:
    try:
        return bool(await node.readings.show(MEMBER, rid))
    except NotFound:
        return False


async def _take(here: WorldNode, hide: Hide, signer: WorldNode, sender: WorldNode) -> Refused | None:
    verified = verify_document(signer.core.sign(hide), Hide, {n.id: n.history for n in (here, signer)}.get)
    async with here.core.store.write() as tx:
        return await take_hide(here.core, tx, verified, sender.id)


def _hide(signer: WorldNode, rid: str, seq: int, *, hidden: bool = True) -> Hide:
    return Hide(iss=signer.id, iat=signer.core.now(), scope=HideScope.RECORD, target=rid, seq=seq, hidden=hidden)


async def _hides(node: WorldNode) -> Sequence[HideRow]:
    async with node.store.read() as tx:
        return await tx.find(HideRow)


@pytest.fixture
async def chain() -> World:
    return await World.make(2, 3, CHAIN)


async def _shared(world: World) -> str:
    rid = await world.publish(world.nodes[0], "Wells of the valley")
    await world.quiet()
    return rid


async def test_a_hide_by_a_holder_does_not_reach_the_record_of_another(chain: World) -> None:
    _, bao, chidi = chain.nodes
    rid = await _shared(chain)
    assert await _take(chidi, _hide(bao, rid, 9), bao, bao) is None
    assert await _shown(chidi, rid)


async def test_an_older_word_does_not_undo_a_newer_one_and_is_answered_with_it(chain: World) -> None:
    ana, bao, _ = chain.nodes
    rid = await _shared(chain)
    await _take(bao, _hide(ana, rid, 7), ana, ana)
    await _take(bao, _hide(ana, rid, 6, hidden=False), ana, ana)
    assert not await _shown(bao, rid)
    async with bao.store.read() as tx:
        lines = await tx.find(Custody, {"entry": Entry.HIDE})
    peers = {(await bao.peer(n)).id for n in chain.nodes if n is not bao}
    assert {line.peer for line in lines} == peers


async def test_a_word_to_one_peer_hides_nothing_at_another(chain: World) -> None:
    ana, bao, chidi = chain.nodes
    rid = await _shared(chain)
    only = Hide(iss=ana.id, iat=ana.core.now(), scope=HideScope.PEER, target=bao.id, seq=1, hidden=True)
    await _take(chidi, only, ana, bao)
    assert await _shown(chidi, rid)
    assert await _hides(chidi) == []


async def test_a_flood_of_hides_of_one_origin_is_bounded_and_blocks_nobody_else(chain: World) -> None:
    ana, bao, _ = chain.nodes
    rid = await _shared(chain)
    async with bao.store.write() as tx:
        for n in range(MAX_HIDES):
            await tx.put(HideRow(10_000 + n, ana.id, "record", f"r{n}", n + 1, n > 0, "", 0))
    assert await _take(bao, _hide(ana, rid, 5000), ana, ana) is None
    assert len(await _hides(bao)) == MAX_HIDES
    other = rid[:-1] + ("0" if rid[-1] != "0" else "1")
    refused = await _take(bao, _hide(ana, other, 5001), ana, ana)
    assert refused is not None
    assert refused[3] == "hides"
    assert not await _shown(bao, rid)


async def test_our_own_node_holds_no_more_than_peers_remember(chain: World) -> None:
    ana = chain.nodes[0]
    rid = await _shared(chain)
    async with ana.store.write() as tx:
        for n in range(MAX_HIDES):
            await tx.put(HideRow(10_000 + n, ana.id, "record", f"r{n}", n + 1, True, "", 0))
    with pytest.raises(NotNow, match="put everything on hold instead"):
        await ana.holds.hold(LOCAL, "record", rid)


@pytest.mark.parametrize("phase", [Phase.ACTIVE, Phase.ENDED, Phase.BLOCKED])
async def test_a_hold_reaches_who_keeps_copies_whatever_the_agreement_is(phase: Phase) -> None:
    world = await World.make(2, 2, ((0, 1),), Bond(keep=True))
    ana, bao = world.nodes
    rid = await _shared(world)
    await world.declare(ana, bao, phase)
    await world.quiet()
    kept = (ana.id, rid) in await bao.live()
    view = await ana.holds.hold(LOCAL, "record", rid)
    await world.quiet()
    assert not await _shown(bao, rid)
    assert ((ana.id, rid) in await bao.live()) == kept
    assert (view.told, view.reached) == (1, 0)
    (seen,) = await ana.holds.list(LOCAL)
    assert (seen.told, seen.reached) == (1, 1)


async def test_the_origin_is_told_who_has_taken_its_word(chain: World) -> None:
    ana = chain.nodes[0]
    rid = await _shared(chain)
    view = await ana.holds.hold(LOCAL, "record", rid)
    await chain.quiet()
    assert (view.told, view.reached) == (1, 0)
    (seen,) = await ana.holds.list(LOCAL)
    assert (seen.told, seen.reached) == (1, 1)


@pytest.mark.parametrize("scope", ["record", "all", "peer"])
async def test_an_origin_put_back_to_before_its_hold_holds_again(chain: World, scope: str) -> None:
    ana, bao, _ = chain.nodes
    rid = await _shared(chain)
    backup = ana.store.snapshot()
    await ana.holds.hold(LOCAL, scope, {"record": rid, "all": "", "peer": bao.id}[scope])
    await chain.quiet()
    ana.put_back(backup)
    await chain.quiet()
    async with ana.store.read() as tx:
        (hold,) = await tx.find(HoldRow, {"lifted_at": None})
    assert (hold.scope, hold.by) == (scope, "restored")
    assert not await _shown(bao, rid)
    await ana.holds.lift(LOCAL, hold.hid)
    await chain.quiet()
    assert [await _shown(n, rid) for n in chain.nodes] == [True] * 3


async def test_an_origin_put_back_to_during_its_hold_goes_on_holding(chain: World) -> None:
    ana, _, chidi = chain.nodes
    rid = await _shared(chain)
    view = await ana.holds.hold(LOCAL, "record", rid)
    await chain.quiet()
    backup = ana.store.snapshot()
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    assert await _shown(chidi, rid)
    ana.put_back(backup)
    await chain.quiet()
    assert [await _shown(n, rid) for n in chain.nodes] == [False] * 3


@pytest.mark.parametrize("place", [1, 2])
async def test_a_holder_put_back_to_before_a_hold_hides_again(chain: World, place: int) -> None:
    ana = chain.nodes[0]
    rid = await _shared(chain)
    backup = chain.nodes[place].store.snapshot()
    view = await ana.holds.hold(LOCAL, "record", rid)
    await chain.quiet()
    chain.nodes[place].put_back(backup)
    assert await _shown(chain.nodes[place], rid)
    await chain.quiet()
    assert not await _shown(chain.nodes[place], rid)
    await ana.holds.lift(LOCAL, view.hid)
    await chain.quiet()
    assert [await _shown(n, rid) for n in chain.nodes] == [True] * 3


async def test_hiding_a_received_record_here_stops_it_here_and_asks_nobody(chain: World) -> None:
    ana, bao, chidi = chain.nodes
    rid = await _shared(chain)
    async with bao.core.store.write() as tx:
        hid = await hide_here(bao.core, tx, ana.id, rid, "mia", "it names somebody")
        assert await hide_here(bao.core, tx, ana.id, rid, "mia", "again") == hid
    await chain.quiet()
    assert [await _shown(n, rid) for n in chain.nodes] == [True, False, True]
    assert await _hides(chidi) == []


async def test_a_received_record_that_is_hidden_here_is_passed_on_to_nobody_new() -> None:
    world = await World.make(3, 3, ((0, 1),))
    ana, bao, chidi = world.nodes
    rid = await _shared(world)
    async with bao.core.store.write() as tx:
        await hide_here(bao.core, tx, ana.id, rid, "mia", "it names somebody")
    await world.meet(bao, chidi, Bond())
    await world.quiet()
    assert (ana.id, rid) not in await chidi.live()
