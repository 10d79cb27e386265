"""What a peer was given stays what it was during a hold: nothing is handed out twice, and less only to who has more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.holds.given import Given, arrived, given, narrows, overwritten, read, write
from node.principal import LOCAL
from node.store.rows import Custody, Entry, PeerRow
from tests.world import Fault, LineBroken, World, WorldNode, draft, terms

STATE = Given(7, 2, bytes(32), 5, ("title", "body"), "2,3", "policy")


async def _line(here: WorldNode, there: WorldNode, rid: str) -> Custody:
    (copy,) = [c for c in (await here.copies()).values() if c.rid == rid]
    async with here.store.read() as tx:
        line = await tx.get(Custody, (await here.peer(there)).id, copy.id)
    assert line is not None
    return line


@pytest.fixture
async def pair() -> World:
    return await World.make(8, 2, ((0, 1),))


def _told(row: PeerRow, seq: int) -> Custody:
    return Custody(row.id, 1, seq, Entry.PUT, 2, 0, bytes(32), 5, "title,body", "policy", hops="2,3")


async def test_what_was_handed_over_is_remembered_while_something_later_waits(pair: World) -> None:
    ana, bao = pair.nodes
    row = replace(await ana.peer(bao), issued=10)
    line = _told(row, 7)
    assert given(line, row) == STATE
    waiting = replace(line, seq=11, ver=3, fields="title", given=overwritten(line, row))
    assert given(waiting, row) == STATE
    again = replace(waiting, seq=12, given=overwritten(waiting, row))
    assert given(again, row) == STATE
    assert given(replace(line, refused="kind"), row) is None
    assert given(replace(line, seq=11), row) is None
    assert given(None, row) is None


@pytest.mark.parametrize("narrowed", [False, True])
def test_a_state_is_written_and_read_back(narrowed: bool) -> None:
    text = write(STATE, narrowed=narrowed)
    assert read(text) == STATE
    line = Custody(1, 1, 9, Entry.PUT, 2, 0, given=text)
    assert narrows(line) == narrowed
    assert not narrows(replace(line, given=None))
    assert arrived(replace(line, entry=Entry.RETRACT)) is None


async def test_a_copy_that_the_peer_lost_is_not_sent_again_during_a_hold_and_comes_after_it(pair: World) -> None:
    ana, bao = pair.nodes
    before = bao.store.snapshot()
    rid = await pair.publish(ana)
    await pair.quiet()
    view = await ana.holds.hold(LOCAL, "record", rid)
    bao.put_back(before)
    await pair.quiet()
    assert (ana.id, rid) not in await bao.live()
    await ana.holds.lift(LOCAL, view.hid)
    await pair.quiet()
    assert (ana.id, rid) in await bao.live()


async def test_a_copy_that_was_lost_on_its_way_is_not_sent_during_a_hold(pair: World) -> None:
    ana, bao = pair.nodes
    rid = await pair.publish(ana)
    with pytest.raises(LineBroken):
        await pair.session(bao, ana, Fault(0, "reply"))
    assert (await _line(ana, bao, rid)).entry == Entry.PUT
    view = await ana.holds.hold(LOCAL, "all", "")
    await pair.quiet()
    assert (ana.id, rid) not in await bao.live()
    await ana.holds.lift(LOCAL, view.hid)
    await pair.quiet()
    assert (ana.id, rid) in await bao.live()


async def test_less_is_not_sent_to_a_peer_that_may_never_have_had_more(pair: World) -> None:
    ana, bao = pair.nodes
    rid = await pair.publish(ana)
    with pytest.raises(LineBroken):
        await pair.session(bao, ana, Fault(0, "reply"))
    await ana.holds.hold(LOCAL, "record", rid)
    await ana.library.narrow(LOCAL, rid, terms("node"), ["body"])
    await pair.quiet()
    assert (ana.id, rid) not in await bao.live()
    assert (await _line(ana, bao, rid)).entry == Entry.RETRACT


async def test_receipts_that_were_lost_before_a_hold_cost_the_peer_nothing(pair: World) -> None:
    ana, bao = pair.nodes
    rid = await pair.publish(ana)
    with pytest.raises(LineBroken):
        await pair.session(bao, ana, Fault(1, "request"))
    assert (ana.id, rid) in await bao.live()
    await ana.holds.hold(LOCAL, "record", rid)
    await pair.quiet()
    assert (ana.id, rid) in await bao.live()


async def test_what_has_stricter_terms_is_not_left_as_it_was_during_a_hold(pair: World) -> None:
    ana, bao = pair.nodes
    rid = await pair.publish(ana)
    await pair.quiet()
    view = await ana.holds.hold(LOCAL, "record", rid)
    end = ana.core.now() + 5_000
    await ana.library.narrow(LOCAL, rid, terms(until=end))
    await pair.quiet()
    assert (ana.id, rid) not in await bao.live()  # its former words left the history: nobody can tell what is new
    await ana.holds.lift(LOCAL, view.hid)
    await pair.quiet()
    assert {t.until for t in (await bao.live())[ana.id, rid].held_terms.values()} == {end}


async def test_a_relay_takes_back_what_it_cannot_judge_and_gives_it_again_after_the_hold() -> None:
    world = await World.make(9, 3, ((0, 1), (1, 2)))
    ana, _, chidi = world.nodes
    rid = await world.publish(ana)
    await world.quiet()
    view = await ana.holds.hold(LOCAL, "record", rid)
    await ana.library.narrow(LOCAL, rid, terms(until=ana.core.now() + 5_000))
    await world.quiet()
    assert (ana.id, rid) not in await chidi.live()
    await ana.holds.lift(LOCAL, view.hid)
    await world.quiet()
    assert (ana.id, rid) in await chidi.live()


async def test_an_edit_with_fewer_fields_shows_no_new_words_during_a_hold(pair: World) -> None:
    ana, bao = pair.nodes
    rid = await pair.publish(ana)
    await pair.quiet()
    await ana.holds.hold(LOCAL, "record", rid)
    changed = draft("A title", fields={"summary": "new words"}, field_terms={"body": terms("node")})
    await ana.library.edit(LOCAL, rid, changed)
    await pair.quiet()
    held = (await bao.live())[ana.id, rid]
    assert held.values == {"title": "A title"}
