"""Reports reach the stewards of the origin, also through holders that cannot read them, and answers come back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from federation.errors import PeerError
from federation.keys import x25519_public
from federation.letters import MAX_LETTER_CHARS, Answer, Answered, Report, What, open_text, seal_text
from governance.gate import Member, Role
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.principal import ANYBODY, LOCAL, Principal
from node.reports.letters import MAX_OPEN_OF_ONE, OPEN, PASSED_ON, take_letter
from node.reports.reports import MAX_HIDDEN_BY_MEMBER, Reports
from node.store.governing import Audit, HoldRow, ReportRow
from node.store.rows import Outgoing
from tests.world import World, WorldNode, draft

TEXT = "The third quote says which house she lives in."
MEMBER = Principal("amal", Member(Role.MEMBER), frozenset({"read"}))


def box(node: WorldNode) -> bytes:
    """The key that letters to a node are sealed to."""
    return x25519_public(node.core.keys.x25519_secret)


def reports(node: WorldNode) -> Reports:
    return Reports(node.core, node.readings)


async def shared(count: int = 3) -> tuple[World, str]:
    """A record of the first node that has come to the last through those between."""
    world = await World.make(5, count, tuple((n, n + 1) for n in range(count - 1)))
    rid = await world.publish(world.nodes[0])
    await world.quiet()
    return world, rid


async def everything(node: WorldNode) -> str:
    """All rows of a node as one text."""
    return "".join(map(repr, [row for table in node.store.tables.values() for row in table.rows.values()]))


async def actions(node: WorldNode) -> list[str]:
    async with node.core.store.read() as tx:
        return [a.action for a in await tx.find(Audit) if a.action.startswith("report")]


async def test_a_report_goes_to_the_origin_through_a_holder_that_cannot_read_it_and_the_answer_comes_back() -> None:
    world, rid = await shared()
    ana, bao, chidi = world.nodes

    made = await reports(chidi).report(MEMBER, rid, what="danger", text=TEXT)
    await world.quiet()

    (come,) = await reports(ana).list(LOCAL)
    assert (come.id, come.what, come.text, come.holder, come.state) == (made.id, "danger", TEXT, chidi.id, "open")
    assert TEXT not in await everything(bao)
    assert await reports(bao).list(LOCAL) == []

    await reports(ana).answer(LOCAL, made.id, done="corrected", text="Thank you: the quote is out.")
    await world.quiet()

    (told,) = await reports(chidi).list(MEMBER)
    assert (told.state, told.answer) == ("corrected", "Thank you: the quote is out.")
    assert "the quote is out" not in await everything(bao)
    assert await actions(chidi) == ["report.sent", "report.answer"]
    assert await actions(ana) == ["report.received", "report.answered"]


async def test_a_report_of_an_own_record_waits_for_the_stewards_here_and_nothing_is_sent() -> None:
    world, rid = await shared(2)
    ana = world.nodes[0]

    made = await reports(ana).report(MEMBER, rid, what="error", text="Seven litres, not two.")
    await reports(ana).answer(LOCAL, made.id, done="read", text="We ask the author.")

    (found,) = await reports(ana).list(LOCAL, state="read")
    assert (found.mine, found.state, found.answer) == (False, "read", "We ask the author.")
    async with ana.core.store.read() as tx:
        assert await tx.count(Outgoing) == 0


async def test_a_report_can_hide_the_record_here_at_once() -> None:
    world, rid = await shared(2)
    bao = world.nodes[1]

    view = await reports(bao).report(MEMBER, rid, what="danger", text=TEXT, hide=True)

    async with bao.core.store.read() as tx:
        (hold,) = await tx.find(HoldRow)
    assert (view.hidden, hold.scope, hold.target, hold.lifted_at) == (True, "record", rid, None)


async def test_a_member_cannot_hide_a_library_by_reports_and_a_steward_is_not_counted() -> None:
    world, _ = await shared(2)
    ana, bao = world.nodes
    rids = [await world.publish(ana, f"Record {n}") for n in range(MAX_HIDDEN_BY_MEMBER + 1)]
    await world.quiet()
    for rid in rids[:-1]:
        await reports(bao).report(MEMBER, rid, what="danger", text=TEXT, hide=True)

    with pytest.raises(NotNow, match="nobody has looked into"):
        await reports(bao).report(MEMBER, rids[-1], what="danger", text=TEXT, hide=True)

    assert len(await reports(bao).list(LOCAL)) == MAX_HIDDEN_BY_MEMBER
    assert (await reports(bao).report(LOCAL, rids[-1], what="danger", text=TEXT, hide=True)).hidden


async def test_words_of_a_report_go_when_the_record_goes() -> None:
    world, rid = await shared(2)
    ana, bao = world.nodes
    await reports(bao).report(MEMBER, rid, what="danger", text=TEXT)
    await world.quiet()

    await ana.library.withdraw(LOCAL, rid, "harm")
    await world.quiet()

    for node in world.nodes:
        assert TEXT not in await everything(node)
        assert [r.text for r in await reports(node).list(LOCAL)] == [""]


async def test_an_answer_is_believed_from_the_origin_alone_and_never_over_a_later_one() -> None:
    world, rid = await shared()
    ana, bao, chidi = world.nodes
    made = await reports(chidi).report(MEMBER, rid, what="error", text=TEXT)
    await world.quiet()
    histories = {n.id: n.history for n in world.nodes}
    sealed = seal_text("Nothing to see", box(chidi), bytes(range(32)))
    said = Answer(
        iss=bao.id, iat=world.clock.now(), to=chidi.id, id=made.id, rid=rid, done=Answered.DECLINED, text=sealed
    )

    async with chidi.core.store.write() as tx:
        await take_letter(chidi.core, tx, (await chidi.peer(bao)).id, bao.core.sign(said), histories)
    assert [r.state for r in await reports(chidi).list(LOCAL)] == ["sent"]

    await reports(ana).answer(LOCAL, made.id, done="corrected", text="Mended.")
    await world.quiet()
    earlier = said.model_copy(update={"iss": ana.id, "iat": world.clock.now() - 1})
    async with chidi.core.store.write() as tx:
        await take_letter(chidi.core, tx, (await chidi.peer(bao)).id, ana.core.sign(earlier), histories)
    assert [(r.state, r.answer) for r in await reports(chidi).list(LOCAL)] == [("corrected", "Mended.")]


async def test_letters_that_are_no_letters_or_about_nothing_here_are_ignored() -> None:
    world, rid = await shared(2)
    ana, bao = world.nodes
    sealed = seal_text(TEXT, box(bao), bytes(range(32)))  # to somebody else
    good = Report(iss=bao.id, iat=world.clock.now(), to=ana.id, id="a", rid=rid, ver=1, what=What.DANGER, text=sealed)
    unknown = good.model_copy(update={"rid": "0198c0de-0000-7000-8000-000000000000", "id": "b"})
    tokens = ["", "a.b.c", bao.core.sign(good), bao.core.sign(unknown), bao.core.sign(good)[:-4] + "AAAA"]

    async with ana.core.store.write() as tx:
        for token in tokens:
            await take_letter(ana.core, tx, (await ana.peer(bao)).id, token, {bao.id: bao.history})

    assert await reports(ana).list(LOCAL) == []


@pytest.mark.parametrize("at", ["origin", "relay"])
async def test_a_node_that_reports_without_end_fills_nothing(at: str) -> None:
    world, rid = await shared()
    ana, bao, chidi = world.nodes
    here, state = (ana, OPEN) if at == "origin" else (bao, PASSED_ON)
    row = ReportRow("", ana.id, rid, 1, False, chidi.id, "other", "", "", 1, state)
    async with here.core.store.write() as tx:
        await tx.put_many([replace(row, id=f"r{n}") for n in range(MAX_OPEN_OF_ONE)])
        sealed = seal_text("one more", box(ana), bytes(range(32)))
        said = Report(iss=chidi.id, iat=1, to=ana.id, id="more", rid=rid, ver=1, what=What.OTHER, text=sealed)
        said = said.model_copy(update={"iat": world.clock.now()})
        await take_letter(here.core, tx, (await here.peer(bao if here is ana else chidi)).id,
                          chidi.core.sign(said), {chidi.id: chidi.history})  # fmt: skip
        assert await tx.get(ReportRow, "more") is None


async def test_bad_reports_and_answers_are_refused_in_words_and_nothing_is_written() -> None:
    world, rid = await shared(2)
    bao = world.nodes[1]
    made = await reports(bao).report(MEMBER, rid, what="other", text=TEXT)
    before = await everything(bao)

    with pytest.raises(NotAllowed, match="account"):
        await reports(bao).report(ANYBODY, rid, what="danger", text=TEXT)
    with pytest.raises(BadInput, match=r"'fire'.*danger, error, other"):
        await reports(bao).report(MEMBER, rid, what="fire", text=TEXT)
    with pytest.raises(BadInput, match="empty"):
        await reports(bao).report(MEMBER, rid, what="danger", text=" ")
    with pytest.raises(BadInput, match=str(MAX_LETTER_CHARS)):
        await reports(bao).report(MEMBER, rid, what="danger", text="a" * (MAX_LETTER_CHARS + 1))
    with pytest.raises(NotFound):
        await reports(bao).report(MEMBER, "0198c0de-0000-7000-8000-000000000000", what="danger", text=TEXT)
    with pytest.raises(NotNow, match="other organisation"):
        await reports(bao).answer(LOCAL, made.id, done="read", text="x")
    with pytest.raises(NotFound, match="report list"):
        await reports(bao).answer(LOCAL, "none", done="read", text="x")
    with pytest.raises(BadInput, match="one of read"):
        await reports(bao).answer(LOCAL, made.id, done="burnt", text="x")
    with pytest.raises(NotAllowed):
        await reports(bao).answer(MEMBER, made.id, done="read", text="x")
    assert await everything(bao) == before


async def test_others_see_only_the_reports_they_made_themselves() -> None:
    world, rid = await shared(2)
    bao = world.nodes[1]
    await reports(bao).report(MEMBER, rid, what="danger", text=TEXT)
    other = replace(MEMBER, actor="bo")

    assert await reports(bao).list(other) == []
    assert len(await reports(bao).list(MEMBER)) == len(await reports(bao).list(LOCAL)) == 1
    with pytest.raises(NotAllowed):
        await reports(bao).list(ANYBODY)


async def test_a_correction_is_told_to_readers_everywhere_with_the_records_that_build_on_it() -> None:
    world, rid = await shared(2)
    ana, bao = world.nodes
    link = {"links": [{"rel": "adapted_from", "to": {"rid": rid, "origin": ana.id}}]}
    adapted = await world.publish(bao, "Ours", fields=link)
    said = {"what": "error", "note": "Seven litres, not two."}
    assert await reports(bao).corrections(MEMBER) == []

    await ana.library.edit(LOCAL, rid, draft(fields={"correction": said}))
    await world.quiet()

    (found,) = await reports(bao).corrections(MEMBER)
    assert (found.rid, found.ver, found.what, found.note, list(found.affects)) == (
        rid, 2, "error", said["note"], [adapted],
    )  # fmt: skip
    assert await reports(bao).corrections(ANYBODY) == []  # not public
    await ana.library.edit(LOCAL, rid, draft())
    await world.quiet()
    assert await reports(bao).corrections(MEMBER) == []


async def test_a_correction_of_another_form_is_refused() -> None:
    world, rid = await shared(2)
    with pytest.raises(Exception, match="correction"):
        await world.nodes[0].library.edit(LOCAL, rid, draft(fields={"correction": {"what": "typo", "note": "x"}}))


def test_what_is_sealed_to_one_is_read_by_nobody_else() -> None:
    world = World(1, 2)
    one, other = world.nodes
    sealed = seal_text("سرّ", box(one), bytes(range(32)))

    assert open_text(sealed, one.core.keys.x25519_secret) == "سرّ"
    for text, reader in ((sealed, other), (sealed[:-4] + "AAAA", one), ("", one)):
        with pytest.raises(PeerError):
            open_text(text, reader.core.keys.x25519_secret)
    assert json.dumps("سرّ", ensure_ascii=False) not in sealed
