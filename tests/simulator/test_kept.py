"""What still passes after an agreement has ended that lets the other side keep its copies: less, never more or new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from federation.documents import Manifest, ManifestItem
from federation.messages import Ack, Page, Put
from governance.agreement import Phase
from governance.terms import NODE
from node.principal import LOCAL
from node.store.governing import Audit
from node.store.rows import Quarantined
from tests.simulator.laws import Watcher
from tests.world import Bond, World, WorldNode, draft, terms

LINE = ((0, 1),)


async def kept() -> tuple[World, WorldNode, WorldNode, str]:
    """Bao has a record of Ana's, and the agreement has ended."""
    world = await World.make(31, 2, LINE, Bond(keep=True))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    await world.quiet()
    await world.declare(ana, bao, Phase.ENDED)
    await world.quiet()
    return world, ana, bao, rid


async def words(node: WorldNode, rid: str) -> dict[str, Any]:
    """What a node holds of a record."""
    return next((dict(held.values) for key, held in (await node.live()).items() if key[1] == rid), {})


async def edit(node: WorldNode, rid: str, **changed: Any) -> None:
    written = await node.library.draft(LOCAL, rid)
    await node.library.edit(LOCAL, rid, written.model_copy(update={"fields": {**written.fields, **changed}}))


async def test_an_edit_after_the_end_is_not_told_and_the_old_words_stay() -> None:
    world, ana, bao, rid = await kept()
    before = await words(bao, rid)

    await edit(ana, rid, summary="Something new")
    await world.quiet()

    assert await words(bao, rid) == before


async def test_a_narrowing_after_the_end_takes_away_and_brings_nothing() -> None:
    world, ana, bao, rid = await kept()
    before = await words(bao, rid)

    await ana.library.narrow(LOCAL, rid, terms(NODE), ["body"])
    await world.quiet()

    assert await words(bao, rid) == {n: v for n, v in before.items() if n != "body"}


async def test_a_narrowing_after_an_edit_leaves_only_what_is_the_same() -> None:
    world, ana, bao, rid = await kept()

    await edit(ana, rid, summary="Something new")
    await world.quiet()
    await ana.library.narrow(LOCAL, rid, terms(NODE), ["body"])
    await world.quiet()

    assert set(await words(bao, rid)) == {"title"}


async def test_what_was_taken_after_the_end_and_not_confirmed_is_not_counted_as_lost() -> None:
    world, ana, bao, rid = await kept()
    before = await words(bao, rid)
    await ana.library.narrow(LOCAL, rid, terms(NODE), ["body"])
    sender, receiver = await ana.peer(bao), await bao.peer(ana)

    await ana.sharing.ready(sender.id)
    page = await ana.sharing.page(sender.id, receiver.cursor)
    assert page.entries
    await bao.intake.take(receiver.id, page)  # its answer is still on its way when another session begins
    await world.quiet()

    assert await words(bao, rid) == {n: v for n, v in before.items() if n != "body"}
    assert (await ana.peer(bao)).put_count == 1


async def test_who_ended_and_may_keep_keeps_although_the_other_side_lost_the_end_with_its_disk() -> None:
    world = await World.make(34, 2, LINE, Bond(keep=True))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    await world.quiet()
    before = await words(bao, rid)
    world.bonds.clear()  # ana is put back to a backup of before the end: only bao knows of it
    async with bao.core.store.write() as tx:
        await tx.put(replace(await bao.peer(ana), phase=Phase.ENDED))

    later = await world.publish(ana, "Later")
    await ana.library.narrow(LOCAL, rid, terms(NODE), ["body"])
    await world.quiet()

    assert await words(bao, rid) == {n: v for n, v in before.items() if n != "body"}
    assert not await words(bao, later)
    await Watcher(world.nodes).check_rest()


async def test_an_end_comes_before_what_was_decided_and_never_sent() -> None:
    world = await World.make(32, 2, LINE, Bond(keep=True))
    ana, bao = world.nodes
    await world.quiet()
    rid = await world.publish(ana)
    await ana.sharing.ledger.settle((await ana.peer(bao)).id)  # the ledger would send it

    await world.declare(ana, bao, Phase.ENDED)
    row = await ana.peer(bao)
    await ana.sharing.ledger.settle(row.id)

    page = await ana.sharing.page(row.id, row.acked)
    assert not page.entries
    assert rid not in {key[1] for key in await bao.copies()}


async def test_a_receiver_takes_no_new_words_under_an_ended_agreement_whatever_it_is_sent() -> None:
    _, ana, bao, rid = await kept()
    before = await words(bao, rid)
    await edit(ana, rid, summary="Something new")

    ack = await bao.intake.take((await bao.peer(ana)).id, await forced(ana, bao, rid))

    assert isinstance(ack, Ack)
    assert [r.code for r in ack.refused] == ["admission-phase"]
    assert await words(bao, rid) == before


async def forced(sender: WorldNode, to: WorldNode, rid: str) -> Page:
    """A page with all that the sender holds of a record, past its own gate."""
    held = next(h for key, h in (await sender.live()).items() if key[1] == rid)
    assert held.row.vid is not None
    assert held.row.jws is not None
    after = (await to.peer(sender)).cursor
    items = (ManifestItem(vid=held.row.vid.hex(), fields=tuple(held.texts)),)
    manifest = sender.core.sign(Manifest(iss=sender.id, iat=sender.core.now(), to=to.id, items=items))
    put = Put(after + 1, held.row.jws, tuple(held.texts.values()), (1,) * len(held.texts))
    return Page(after, (put,), after + 1, False, 0, bytes(32), manifest=manifest)


async def test_a_field_that_the_sender_had_no_right_to_pass_is_left_out_and_its_origin_hears_of_it() -> None:
    world = await World.make(33, 3, ((0, 1), (1, 2), (0, 2)))
    ana, bao, chidi = world.nodes
    written = draft(field_terms={"body": terms("direct")}, direct=[bao.id])
    rid = (await ana.library.create(LOCAL, written)).rid
    await world.session(ana, bao)
    assert set(await words(bao, rid)) == {"title", "summary", "body"}
    standing = (await chidi.peer(bao)).standing

    ack = await chidi.intake.take((await chidi.peer(bao)).id, await forced(bao, chidi, rid))

    assert isinstance(ack, Ack)
    assert not ack.refused
    assert set(await words(chidi, rid)) == {"title", "summary"}
    assert (await chidi.peer(bao)).standing == standing - 1
    async with chidi.core.store.read() as tx:
        (fault,) = await tx.find(Quarantined)
    assert (fault.code, fault.rid) == ("passing-on", rid)
    await world.session(chidi, ana)
    async with ana.core.store.read() as tx:
        assert any(a.action == "report" and rid in a.detail for a in await tx.find(Audit))
