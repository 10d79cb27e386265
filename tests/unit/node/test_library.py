"""Writing records: sealed in one step, narrowed only, withdrawn for ever, imported once."""

from __future__ import annotations

import json

import pytest

from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.library import NewRecord
from node.principal import ANYBODY, LOCAL
from node.store.rows import ContributorRow, Copy, DraftRow, GrantRow, State, VersionRow
from tests.world import World, WorldNode, draft, terms


async def test_a_published_record_is_sealed_and_an_unpublished_draft_is_not(ana: WorldNode) -> None:
    (taken,) = await ana.library.create_many(LOCAL, [NewRecord(draft("Not yet"))], publish=False)
    assert not await ana.live()
    assert (await ana.library.draft(LOCAL, taken.rid)).fields["title"] == "Not yet"

    rid = (await ana.library.create(LOCAL, draft("Now"))).rid
    assert [key[1] for key in await ana.live()] == [rid]


async def test_an_unpublished_draft_never_travels(world: World, ana: WorldNode, bao: WorldNode) -> None:
    await ana.library.create_many(LOCAL, [NewRecord(draft("Not yet"))], publish=False)
    await world.quiet()
    assert not await bao.copies()


async def test_withdrawing_a_draft_that_was_never_published_leaves_nothing(ana: WorldNode) -> None:
    (taken,) = await ana.library.create_many(LOCAL, [NewRecord(draft("Not yet"))], publish=False)
    await ana.library.withdraw(LOCAL, taken.rid, "error")
    async with ana.core.store.read() as tx:
        assert not await tx.count(DraftRow)
        assert not await tx.count(ContributorRow)


async def test_an_edit_is_a_new_version_and_the_one_before_is_history(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft("First"))).rid
    info = await ana.library.edit(LOCAL, rid, draft("Second"))
    assert (info.ver, info.title) == (2, "Second")
    history = await ana.readings.history(LOCAL, rid)
    assert [(v.ver, "title" in v.changed) for v in history] == [(2, True), (1, True)]


async def test_narrowing_can_only_take_away(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft(audiences=["node"]))).rid
    await ana.library.narrow(LOCAL, rid, terms("public"))
    (held,) = (await ana.live()).values()
    assert {a for t in held.terms.values() for a in t.audiences} == {"node"}


async def test_narrowing_some_fields_leaves_the_others(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft())).rid
    await ana.library.narrow(LOCAL, rid, terms("stewards"), ["body"])
    (held,) = (await ana.live()).values()
    assert {n for n, t in held.terms.items() if t.audiences == {"stewards"}} == {"body"}
    with pytest.raises(BadInput, match="no field"):
        await ana.library.narrow(LOCAL, rid, terms("node"), ["bodi"])


async def test_a_narrowed_field_is_cleared_from_the_history_too(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft())).rid
    await ana.library.narrow(LOCAL, rid, terms("stewards"), ["body"])
    async with ana.core.store.read() as tx:
        (version,) = await tx.find(VersionRow)
    assert "body" not in json.loads(version.disclosed)
    assert "title" in json.loads(version.disclosed)


async def test_a_withdrawn_record_leaves_only_its_marker_and_stays_so(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft("Secret"))).rid
    await ana.library.edit(LOCAL, rid, draft("Secret again"))
    await ana.consents.grant(LOCAL, subject="s", terms=terms(), how="said so", ref=rid)

    await ana.library.withdraw(LOCAL, rid, "harm")

    async with ana.core.store.read() as tx:
        (copy,) = await tx.find(Copy)
        (emptied,) = await tx.find(DraftRow)
        left = [await tx.count(kind) for kind in (VersionRow, ContributorRow, GrantRow)]
    assert (copy.state, copy.jws, copy.disclosed, copy.kind, copy.editor) == (State.WITHDRAWN, None, None, None, "")
    assert left == [0, 0, 0]
    assert (emptied.body, emptied.source_hash, emptied.editor) == ("", "", "")
    for attempt in (
        ana.library.edit(LOCAL, rid, draft("Back")),
        ana.library.narrow(LOCAL, rid, terms("node")),
        ana.library.draft(LOCAL, rid),
        ana.library.withdraw(LOCAL, rid, "harm"),
    ):
        with pytest.raises(NotNow, match="withdrawn"):
            await attempt


async def test_a_withdrawal_needs_a_reason_that_others_understand(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft())).rid
    with pytest.raises(BadInput, match="whim"):
        await ana.library.withdraw(LOCAL, rid, "whim")
    assert await ana.live()


async def test_importing_the_same_thing_twice_changes_nothing(ana: WorldNode) -> None:
    item = NewRecord(draft("Imported"), "file", "1", "hash")
    first = await ana.library.create_many(LOCAL, [item])
    again = await ana.library.create_many(LOCAL, [item])
    changed = await ana.library.create_many(LOCAL, [NewRecord(draft("Changed"), "file", "1", "other")])
    assert [t[0].what for t in (first, again, changed)] == ["added", "unchanged", "changed"]
    assert len({t[0].rid for t in (first, again, changed)}) == 1
    assert (await ana.live())[ana.id, first[0].rid].row.ver == 2


async def test_an_import_does_not_bring_a_withdrawn_record_back(ana: WorldNode) -> None:
    (taken,) = await ana.library.create_many(LOCAL, [NewRecord(draft("Imported"), "file", "1", "hash")])
    await ana.library.withdraw(LOCAL, taken.rid, "consent")
    await ana.library.create_many(LOCAL, [NewRecord(draft("Imported again"), "file", "1", "other")])
    assert (await ana.copies())[ana.id, taken.rid].state == State.WITHDRAWN


async def test_a_bad_record_does_not_stop_the_others(ana: WorldNode) -> None:
    bad = draft().model_copy(update={"kind": "poem"})
    taken = await ana.library.create_many(LOCAL, [NewRecord(draft("One")), NewRecord(bad), NewRecord(draft("Two"))])
    assert [t.what for t in taken] == ["added", "refused", "added"]
    assert len(await ana.live()) == 2


async def test_only_who_may_write_writes(ana: WorldNode) -> None:
    with pytest.raises(NotAllowed):
        await ana.library.create(ANYBODY, draft())


async def test_a_received_record_cannot_be_edited_here(world: World, ana: WorldNode, bao: WorldNode) -> None:
    rid = await world.publish(ana)
    await world.quiet()
    with pytest.raises(NotFound):
        await bao.library.edit(LOCAL, rid, draft("Mine now"))
