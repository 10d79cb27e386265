"""Readers: every path shows exactly what the gate lets through, and hidden looks like absent."""

from __future__ import annotations

import pytest

from governance.gate import Member, Public, Role
from node.errors import BadInput, NotFound
from node.finding import SearchRequest
from node.principal import ANYBODY, LOCAL, Principal
from tests.world import World, WorldNode, draft, terms

MEMBER = Principal("amina", Member(Role.MEMBER, "amina"), frozenset({"read"}))
READERS = (ANYBODY, MEMBER, LOCAL)


async def library() -> tuple[WorldNode, dict[str, str]]:
    """One node with a record for each audience, one of them with a narrower field."""
    node = (await World.make(3, 1, ())).nodes[0]
    rids = {}
    for audience in ("public", "network", "node", "stewards"):
        made = await node.library.create(
            LOCAL,
            draft(
                f"Plan {audience}", audiences=[audience], fields={"quote:q1": {"text": f"whisper {audience}"}},
                field_terms={"quote:q1": terms("stewards")},
            ),
        )  # fmt: skip
        rids[audience] = made.rid
    await node.indexing.follow()
    return node, rids


async def allowed(node: WorldNode, who: Principal) -> dict[str, frozenset[str]]:
    """Record id to fields, straight from the gate."""
    async with node.core.store.read() as tx:
        situation = await node.core.situation(tx)
    out = {}
    for (_, rid), held in (await node.live()).items():
        fields = node.readings.decide(held, who.viewer, situation, ()).fields
        if fields:
            out[rid] = frozenset(fields)
    return out


@pytest.mark.parametrize("who", READERS, ids=lambda w: w.actor)
async def test_lists_pages_exports_and_searches_show_what_the_gate_shows(who: Principal) -> None:
    node, rids = await library()
    expected = await allowed(node, who)

    listed = await node.readings.browse(who)
    found = await node.find.search(who, SearchRequest("plan"))

    assert {i.rid for i in listed.items} == set(expected)
    assert {h.rid for h in found.hits} == set(expected)
    assert found.total == len(expected)
    assert sum(v.count for v in found.facets["kind"]) == len(expected)
    for rid in rids.values():
        if rid in expected:
            shown = await node.readings.show(who, rid)
            assert {f.name for f in shown.fields} == expected[rid]
            assert {w.field for w in shown.withheld} == {"title", "summary", "body", "quote:q1"} - expected[rid]
            assert (await node.readings.export(who, rid)).count("~") == len(expected[rid]) + 1


async def test_the_three_kinds_of_reader_do_see_different_things() -> None:
    node, _ = await library()
    assert [len(await allowed(node, who)) for who in READERS] == [1, 3, 4]


@pytest.mark.parametrize("who", [ANYBODY, MEMBER], ids=lambda w: w.actor)
async def test_a_hidden_record_looks_like_one_that_is_not_there(who: Principal) -> None:
    node, rids = await library()
    hidden, absent = rids["stewards"], "01a00000-0000-7000-8000-000000000000"
    for call in (node.readings.show, node.readings.export, node.readings.history):
        messages = []
        for ref in (hidden, absent):
            with pytest.raises(NotFound) as caught:
                await call(who, ref)
            messages.append(str(caught.value).replace(ref, "REF"))
        assert messages[0] == messages[1]


async def test_words_of_a_withheld_field_find_nothing_for_those_who_may_not_see_it() -> None:
    node, _ = await library()
    assert (await node.find.search(MEMBER, SearchRequest("whisper"))).total == 0
    assert (await node.find.search(LOCAL, SearchRequest("whisper"))).total == 4


async def test_a_record_narrowed_a_moment_ago_is_not_found_though_the_index_still_has_it() -> None:
    node, rids = await library()
    await node.library.narrow(LOCAL, rids["network"], terms("stewards"))
    found = await node.find.search(MEMBER, SearchRequest("plan"))
    assert rids["network"] not in {h.rid for h in found.hits}


async def test_snippets_and_marked_titles_come_from_visible_text_only() -> None:
    node, _ = await library()
    found = await node.find.search(MEMBER, SearchRequest("plan"))
    for hit in found.hits:
        text = "".join(t for t, _ in (*hit.title, *hit.snippet))
        assert "whisper" not in text
        assert any(marked for _, marked in hit.title)


async def test_a_snippet_shows_words_and_no_marks_of_markdown() -> None:
    node, _ = await library()
    body = "# Before the **flood**\n\n- Count the boats\n2. Call 3-4 people\n> Listen"
    rid = (await node.library.create(LOCAL, draft("Marked", fields={"summary": "", "body": body}))).rid
    await node.indexing.follow()
    (hit,) = (h for h in (await node.find.search(LOCAL, SearchRequest("boats"))).hits if h.rid == rid)
    assert "".join(t for t, _ in hit.snippet).strip() == "Before the flood\n\nCount the boats\nCall 3-4 people\nListen"


async def test_links_lead_only_to_records_the_reader_may_know_of() -> None:
    node, rids = await library()
    to = {"rel": "related", "to": {"rid": rids["stewards"], "origin": node.id}}
    rid = (await node.library.create(LOCAL, draft("Linking", fields={"links": [to]}))).rid
    assert [link.title for link in (await node.readings.show(MEMBER, rid)).links] == [None]
    assert [link.title for link in (await node.readings.show(LOCAL, rid)).links] == ["Plan stewards"]
    back = (await node.readings.show(LOCAL, rids["stewards"])).linked_from
    assert [(link.rel, link.title) for link in back] == [("related", "Linking")]


async def test_a_list_goes_on_where_its_page_ended() -> None:
    node, _ = await library()
    seen: list[str] = []
    after: str | None = None
    for _ in range(10):
        page = await node.readings.browse(LOCAL, after=after, limit=1)
        seen += [i.rid for i in page.items]
        after = page.next
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize("ref", ["", "zz", "01a", "../../etc", "01A\x00"])
async def test_what_is_no_record_id_says_what_one_is(ref: str) -> None:
    node, _ = await library()
    with pytest.raises(BadInput, match="record id"):
        await node.readings.show(LOCAL, ref)


async def test_an_exported_record_verifies_and_names_what_it_holds_back() -> None:
    node, rids = await library()
    text = await node.readings.export(ANYBODY, rids["public"])
    view = await node.readings.verify(text)
    assert (view.ok, view.withheld) == (True, ["quote:q1"])
    forged = await node.readings.verify(text.replace(text[50], "A" if text[50] != "A" else "B", 1))
    assert not forged.ok
    assert not (await node.readings.verify("nonsense")).ok


def test_the_public_is_a_reader_like_any_other() -> None:
    assert isinstance(ANYBODY.viewer, Public)
