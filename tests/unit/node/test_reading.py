"""Reading: every way to a record passes the gate, and a hidden record looks exactly like one that is not there."""

from __future__ import annotations

import json

import pytest

from federation.envelope import verify_compact
from federation.identity import KeyHistory
from governance.gate import Member, Outcome, Role, decide
from governance.terms import NETWORK, PUBLIC
from node.errors import NodeError, NotFound
from node.finding import SearchRequest
from node.peerbook import known_origins
from node.principal import ANYBODY, LOCAL, Principal, Scope
from tests.world import CAREFUL_POLICY, POLICIES, World, WorldNode, draft, set_policy, terms

MEMBER = Principal("amina", Member(Role.MEMBER, "amina"), frozenset({Scope.READ}))
WHO = (ANYBODY, MEMBER, LOCAL)
AUDIENCES = ((PUBLIC,), (NETWORK,), ("node",), ("stewards",), ("direct",))


@pytest.fixture
async def library(world: World, ana: WorldNode, bao: WorldNode) -> WorldNode:
    """Bao's node with records of its own and of ana's, of every audience, with narrower fields inside."""
    for node in (ana, bao):
        for n, audiences in enumerate(AUDIENCES):
            for kind in ("guide", "story"):
                await node.library.create(
                    LOCAL,
                    draft(
                        f"lantern {n} of {node.name}",
                        audiences=audiences,
                        kind=kind,
                        fields={"person:x": {"name": "Xolani"}, "labels": ["tlp:red"] if n == 1 else []},
                        field_terms={"body": terms("stewards" if n % 2 else "node")},
                        direct=(bao.id,),
                    ),
                )
    await world.quiet()
    return bao


async def seen(node: WorldNode, who: Principal) -> dict[str, set[str]]:
    """Brute force over `decide`: what this person may see."""
    out = {}
    async with node.core.store.read() as tx:
        situation = await node.core.situation(tx)
        for (_, rid), held in (await node.live()).items():
            passing = await node.core.passing(tx, situation, [held.row])
            view = held.view(situation.circles, held.row.id in passing, stops=situation.stops)
            decision = decide(view, who.viewer, node.core.policy, situation.now)
            if decision.outcome is Outcome.SHARE:
                out[rid] = set(decision.fields)
    return out


@pytest.mark.parametrize("policy", range(3))
@pytest.mark.parametrize("who", WHO, ids=lambda w: w.actor)
async def test_every_path_shows_what_the_gate_allows_and_nothing_else(
    library: WorldNode, who: Principal, policy: int
) -> None:
    set_policy(library, POLICIES[policy])
    await library.tend()
    allowed = await seen(library, who)
    listed = (await library.readings.browse(who, limit=100)).items
    assert {i.rid for i in listed} == allowed.keys()
    found = await library.find.search(who, SearchRequest(text="lantern", limit=100))
    assert {h.rid for h in found.hits} == allowed.keys()
    for origin, rid in await library.live():
        if rid not in allowed:
            for read in (library.readings.show, library.readings.export):
                with pytest.raises(NotFound):
                    await read(who, rid, origin)
            with pytest.raises(NotFound):
                await library.readings.history(who, rid)
            continue
        shown = await library.readings.show(who, rid, origin)
        assert {f.name for f in shown.fields} == allowed[rid]
        compact = await library.readings.export(who, rid, origin)
        histories = {n.id: n.history for n in (library,)} | {origin: await _history(library, origin)}
        assert set(verify_compact(compact, histories.get).disclosed) == allowed[rid]
        for version in await library.readings.history(who, rid):
            assert set(version.fields) | set(version.changed) <= allowed[rid]


async def _history(node: WorldNode, origin: str) -> KeyHistory:
    async with node.core.store.read() as tx:
        return (await known_origins(tx, [origin]))[origin]


async def test_pages_of_a_list_together_show_each_record_once(library: WorldNode) -> None:
    got: list[str] = []
    after = None
    while True:
        page = await library.readings.browse(MEMBER, limit=3, after=after)
        got += [i.rid for i in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(got) == sorted(await seen(library, MEMBER))


async def test_hidden_and_absent_are_told_in_the_same_words(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft(audiences=["stewards"]))).rid
    absent = rid[:-1] + ("0" if rid[-1] != "0" else "1")
    said = []
    for ref in (rid, absent):
        try:
            await ana.readings.show(ANYBODY, ref)
        except NodeError as error:
            said.append((type(error), str(error).replace(ref, "REF")))
    assert len(said) == 2
    assert said[0] == said[1]


async def test_two_hidden_records_do_not_answer_a_prefix_as_more_than_one(ana: WorldNode) -> None:
    rids = [(await ana.library.create(LOCAL, draft(audiences=["stewards"]))).rid for _ in range(2)]
    prefix = rids[0][:13]
    assert rids[1].startswith(prefix)
    with pytest.raises(NotFound):
        await ana.readings.show(ANYBODY, prefix)


async def test_links_to_and_from_hidden_records_do_not_tell_their_titles(ana: WorldNode) -> None:
    hidden = (await ana.library.create(LOCAL, draft("Hidden", audiences=["stewards"]))).rid
    link = {"links": [{"rel": "related", "to": {"rid": hidden}}]}
    shown = (await ana.library.create(LOCAL, draft("Shown", audiences=["public"], fields=link))).rid
    back = {"links": [{"rel": "adapted_from", "to": {"rid": shown}}]}
    await ana.library.create(LOCAL, draft("Hidden too", audiences=["stewards"], fields=back))
    text = (await ana.readings.show(ANYBODY, shown)).model_dump_json()
    assert "Hidden" not in text
    assert json.loads((await ana.readings.show(LOCAL, shown)).model_dump_json())["linked_from"]


async def test_an_index_that_is_behind_shows_nothing_that_was_narrowed(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft("lantern", audiences=["public"]))).rid
    await ana.tend()
    await ana.library.narrow(LOCAL, rid, terms("stewards"))  # and the index has not followed yet
    assert not (await ana.find.search(ANYBODY, SearchRequest(text="lantern"))).hits
    assert "redact" in CAREFUL_POLICY
