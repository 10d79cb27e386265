"""Editors: writing, narrowing and taking back, with contributors' permissions."""

from __future__ import annotations

import json

import pytest

from governance.gate import Member, Role
from governance.record import ContributorLink
from governance.terms import ALL_PURPOSES, Terms
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.library import NewRecord
from node.principal import ANYBODY, LOCAL, Principal
from node.store.rows import DraftRow, State, VersionRow
from tests.world import World, WorldNode, draft, terms

MEMBER = Principal("amina", Member(Role.MEMBER, "amina"), frozenset({"read"}))


async def lonely() -> WorldNode:
    return (await World.make(1, 1, ())).nodes[0]


async def sealed_terms(node: WorldNode, rid: str) -> dict[str, Terms]:
    return dict((await node.live())[node.id, rid].terms)


async def test_a_record_is_sealed_with_the_editors_terms() -> None:
    node = await lonely()
    info = await node.library.create(LOCAL, draft("Plan", field_terms={"body": terms("node")}))
    found = await sealed_terms(node, info.rid)
    assert found["body"] == terms("node")
    assert found["title"] == terms("network")
    assert info.ver == 1


async def test_whoever_has_no_right_to_write_changes_nothing() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    for attempt in (
        node.library.create(MEMBER, draft("Other")),
        node.library.narrow(MEMBER, rid, terms("node")),
        node.library.withdraw(MEMBER, rid, "other"),
        node.library.draft(ANYBODY, rid),
    ):
        with pytest.raises(NotAllowed):
            await attempt
    assert len(await node.live()) == 1


async def test_narrowing_can_only_take_away() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan", audiences=["node"]))).rid
    await node.library.narrow(LOCAL, rid, terms("public"))
    assert set((await sealed_terms(node, rid)).values()) == {terms("node")}


async def test_narrowing_one_field_leaves_the_others() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    await node.library.narrow(LOCAL, rid, terms("node"), ["body"])
    found = await sealed_terms(node, rid)
    assert (found["body"], found["summary"]) == (terms("node"), terms("network"))


async def test_narrowing_a_field_that_is_not_there_names_those_that_are() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    with pytest.raises(BadInput, match=r"'lessons'.*body, summary, title"):
        await node.library.narrow(LOCAL, rid, terms("node"), ["lessons"])


async def test_the_history_loses_what_was_narrowed() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    await node.library.narrow(LOCAL, rid, terms("node"), ["body"])
    async with node.core.store.read() as tx:
        (version,) = await tx.find(VersionRow, {"rid": rid})
    assert set(json.loads(version.disclosed)) == {"title", "summary"}


async def test_every_version_names_the_one_before() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    first = (await node.live())[node.id, rid].row.vid
    await node.library.edit(LOCAL, rid, draft("Plan B"))
    views = await node.readings.history(LOCAL, rid)
    assert [v.ver for v in views] == [2, 1]
    assert views[1].vid == (first or b"").hex()
    assert views[0].changed == ["body", "summary", "title"]


async def test_a_withdrawn_record_is_gone_here_and_stays_gone_when_its_source_comes_again() -> None:
    node = await lonely()
    item = NewRecord(draft("Plan"), "library", "one", "hash-1")
    (taken,) = await node.library.create_many(LOCAL, [item])
    await node.library.withdraw(LOCAL, taken.rid, "consent")

    (again,) = await node.library.create_many(LOCAL, [item])

    assert (again.rid, again.what) == (taken.rid, "unchanged")
    assert await node.live() == {}
    async with node.core.store.read() as tx:
        row = await tx.get(DraftRow, taken.rid)
    assert row is not None
    assert row.body == ""
    with pytest.raises(NotNow, match="withdrawn"):
        await node.library.edit(LOCAL, taken.rid, draft("Plan"))


async def test_an_unknown_reason_of_withdrawal_is_refused_with_those_there_are() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    with pytest.raises(BadInput, match="consent, harm, error, rights, other"):
        await node.library.withdraw(LOCAL, rid, "because")
    assert len(await node.live()) == 1


async def test_one_bad_record_of_many_does_not_stop_the_others() -> None:
    node = await lonely()
    good, bad = draft("Good"), draft("Bad", kind="song")
    taken = await node.library.create_many(LOCAL, [NewRecord(good), NewRecord(bad), NewRecord(draft("Also good"))])
    assert [t.what for t in taken] == ["added", "refused", "added"]
    assert "unknown kind 'song'" in taken[1].problem
    assert len(await node.live()) == 2


async def test_the_same_content_again_makes_no_new_version() -> None:
    node = await lonely()
    item = NewRecord(draft("Plan"), "library", "one", "hash-1")
    await node.library.create_many(LOCAL, [item])
    (again,) = await node.library.create_many(LOCAL, [item])
    assert again.what == "unchanged"
    (changed,) = await node.library.create_many(LOCAL, [NewRecord(draft("Plan B"), "library", "one", "hash-2")])
    assert changed.what == "changed"
    assert [h.row.ver for h in (await node.live()).values()] == [2]


async def test_a_linked_contributor_without_a_permission_keeps_the_field_at_the_node() -> None:
    node = await lonely()
    link = ContributorLink(subject="weaver-7", fields=("quote:q1",))
    rid = (
        await node.library.create(LOCAL, draft("Plan", fields={"quote:q1": {"text": "We left."}}, contributors=[link]))
    ).rid
    found = await sealed_terms(node, rid)
    assert found["quote:q1"].audiences == {"node"}
    assert found["title"].audiences == {"network"}


async def test_a_permission_opens_the_field_and_its_withdrawal_closes_it_in_the_same_breath() -> None:
    node = await lonely()
    link = ContributorLink(subject="weaver-7", fields=("quote:q1",))
    rid = (
        await node.library.create(LOCAL, draft("Plan", fields={"quote:q1": {"text": "We left."}}, contributors=[link]))
    ).rid
    effect = await node.consents.grant(LOCAL, subject="weaver-7", terms=terms("network"), how="signed form", ref=rid)
    assert effect.records_changed == 1
    assert (await sealed_terms(node, rid))["quote:q1"] == terms("network")

    effect = await node.consents.withdraw(LOCAL, effect.grant.gid)

    assert effect.records_changed == 1
    assert not effect.grant.active
    assert (await sealed_terms(node, rid))["quote:q1"].audiences == {"node"}


async def test_a_permission_for_one_purpose_narrows_to_it_until_its_end() -> None:
    node = await lonely()
    end = node.clock.now() + 100
    link = ContributorLink(subject="weaver-7", fields=None)
    rid = (await node.library.create(LOCAL, draft("Plan", contributors=[link]))).rid
    learning = Terms.from_json({"aud": ["network"], "pur": ["learning"], "until": end})
    await node.consents.grant(LOCAL, subject="weaver-7", terms=learning, how="by voice", ref=rid)
    assert set((await sealed_terms(node, rid)).values()) == {learning}


async def test_a_permission_that_changes_nothing_seals_nothing() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    effect = await node.consents.grant(LOCAL, subject="nobody-here", terms=terms("public"), how="form")
    assert effect.records_changed == 0
    assert (await node.live())[node.id, rid].row.ver == 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"subject": " "}, "pseudonym"),
        ({"how": ""}, "how the consent was given"),
        ({"given_at": 2**40}, "in the future"),
        ({"fields": ["no field!"]}, "no field name"),
        ({"ref": "00000000-0000-7000-8000-000000000000"}, "no record"),
    ],
)
async def test_a_permission_that_cannot_be_noted_says_why(what: dict[str, object], words: str) -> None:
    node = await lonely()
    given = {"subject": "weaver-7", "terms": terms("network"), "how": "signed form", **what}
    with pytest.raises((BadInput, NotFound), match=words):
        await node.consents.grant(LOCAL, **given)  # type: ignore[arg-type]
    assert await node.consents.list(LOCAL) == []


async def test_an_own_field_is_shown_to_nobody_after_its_end() -> None:
    world = await World.make(1, 1, ())
    node = world.nodes[0]
    end = node.clock.now() + 10
    ending = Terms(frozenset({"network"}), ALL_PURPOSES, end)
    rid = (await node.library.create(LOCAL, draft("Plan", field_terms={"body": ending}))).rid
    assert "body" in {f.name for f in (await node.readings.show(MEMBER, rid)).fields}

    node.clock.time = end

    assert "body" not in {f.name for f in (await node.readings.show(MEMBER, rid)).fields}


async def test_states_after_a_withdrawal_keep_only_the_mark() -> None:
    node = await lonely()
    rid = (await node.library.create(LOCAL, draft("Plan"))).rid
    await node.library.withdraw(LOCAL, rid, "harm")
    (copy,) = (await node.copies()).values()
    assert copy.state == State.WITHDRAWN
    assert (copy.jws, copy.disclosed, copy.kind, copy.lang) == (None, None, None, None)
    assert copy.withdrawal is not None
