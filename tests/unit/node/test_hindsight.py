"""Explanations of the past and backwards: from what was recorded then, with the words of then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.classes import Seen, Side
from governance.policy_text import parse_policy
from governance.record import ContributorLink
from governance.terms import NETWORK, NODE
from node.copies import outline_of
from node.errors import NotFound
from node.explaining.explaining import DAY_S
from node.inforce import put_in_force
from node.principal import LOCAL
from node.store.governing import Disclosure
from node.store.rows import State
from tests.world import CAREFUL_POLICY, OPEN_POLICY, SHUT_POLICY, World, WorldNode, terms

OLD_WORDS = OPEN_POLICY.replace("We share what people permitted.", "Then we shared openly.")


async def _in_force(node: WorldNode, text: str) -> None:
    async with node.store.write() as tx:
        node.core.policy = await put_in_force(tx, text, node.core.now())


async def test_why_something_was_shared_is_answered_in_the_words_of_that_day(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    await _in_force(ana, OLD_WORDS)
    rid = await world.publish(ana, contributors=[ContributorLink(subject="amina")])
    given = await ana.consents.grant(LOCAL, subject="amina", terms=terms(NETWORK), how="signed form", ref=rid)
    then = world.clock.now()
    await world.session(ana, bao)
    world.clock.time += 3 * DAY_S
    await _in_force(ana, SHUT_POLICY)
    await world.session(ana, bao)
    past = await ana.tracing.past(LOCAL, rid, bao.id, then)
    (told,) = past.told
    assert [(r.id, r.words) for r in told.rules] == [("share", "Then we shared openly.")]
    assert (told.entry, told.policy) == ("put", "open")
    assert [(g.gid, g.subject) for g in told.grants] == [(given.grant.gid, "amina")]
    assert told.handed_over_at == told.confirmed_at == then
    assert "Then we shared openly." in past.words
    now = await ana.tracing.past(LOCAL, rid, bao.id, world.clock.now())
    assert [t.entry for t in now.told] == ["put", "retract"]
    assert [r.id for r in now.told[-1].rules] == ["guides-stay"]


async def test_the_past_of_a_withdrawn_record_is_still_known_without_its_content(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    await _in_force(ana, OPEN_POLICY)
    rid = await world.publish(ana, "Zanzibar")
    then = world.clock.now()
    await world.session(ana, bao)
    world.clock.time += 3 * DAY_S
    await ana.library.withdraw(LOCAL, rid, "harm")
    await world.session(ana, bao)
    past = await ana.tracing.past(LOCAL, rid, bao.id, then)
    assert [t.entry for t in past.told] == ["put"]
    assert "Zanzibar" not in past.model_dump_json()
    async with ana.store.read() as tx:
        rows = await tx.find(Disclosure)
    assert {r.entry for r in rows} == {"put", "withdraw"}
    assert "Zanzibar" not in repr(rows)


async def test_a_line_that_was_taken_back_before_the_peer_heard_of_it_was_not_handed_over(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    await _in_force(ana, OPEN_POLICY)
    rid = await world.publish(ana)
    await ana.sharing.ledger.settle((await ana.peer(bao)).id)
    await _in_force(ana, SHUT_POLICY)
    await world.session(ana, bao)
    past = await ana.tracing.past(LOCAL, rid, bao.id, world.clock.now())
    assert [(t.entry, t.handed_over_at) for t in past.told] == [("put", None), ("none", None)]


async def test_before_anything_was_decided_there_is_nothing_to_explain(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    rid = await world.publish(ana)
    past = await ana.tracing.past(LOCAL, rid, bao.id, world.clock.now() - 5 * DAY_S)
    assert (past.told, len(past.words)) == ([], 1)


async def test_one_field_is_explained_with_the_rule_and_the_grant_that_count_for_it(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    ana.core.policy = parse_policy(CAREFUL_POLICY.encode())
    rid = await world.publish(
        ana, fields={"person:p1": {"name": "A"}}, contributors=[ContributorLink(subject="amina", fields=("body",))]
    )
    person = await ana.tracing.explain(LOCAL, rid, bao.id, field="person:p1")
    assert (person.outcome, [r.id for r in person.rules]) == ("withhold", ["share", "people-stay"])
    body = await ana.tracing.explain(LOCAL, rid, bao.id, field="body")
    assert (body.outcome, body.grants, body.agreement) == ("withhold", [], "agreement-1")
    with pytest.raises(NotFound, match="no field 'quote:q9'"):
        await ana.tracing.explain(LOCAL, rid, bao.id, field="quote:q9")


async def test_who_sees_a_field_names_peers_with_their_agreement_and_nobody_who_does_not(
    world: World, ana: WorldNode, bao: WorldNode
) -> None:
    rid = await world.publish(ana, field_terms={"body": terms(NODE)})
    record = await ana.tracing.who_sees(LOCAL, rid)
    peers = [(s.node_id, s.agreement) for s in record if s.sort == "peer"]
    assert (bao.id, "agreement-1") in peers
    body = await ana.tracing.who_sees(LOCAL, rid, field="body")
    assert {s.sort for s in body} == {"member", "editor", "steward"}


async def test_an_outline_shows_the_gate_what_the_copy_shows_it(world: World, ana: WorldNode, bao: WorldNode) -> None:
    for number, labels in enumerate((["tlp:red"], [], ["a,b", 'q"', "ü"])):
        await world.publish(ana, f"R{number}", fields={"labels": labels, "licence": "CC-BY-4.0", "sensitivity": "high"})
    ana.core.policy = parse_policy(CAREFUL_POLICY.encode())
    await world.session(ana, bao)
    for node in (ana, bao):
        async with node.store.read() as tx:
            situation = await node.core.situation(tx)
        side = Side(situation.policy, {}, situation.circles, frozenset())
        for held in (await node.live()).values():
            assert held.row.state == State.LIVE
            seen = side.view(Seen(outline_of(held.row)))
            assert seen == held.view(situation.circles, passed_to_us=False, stops=situation.stops)
            bare = replace(held, row=replace(held.row, outline=None))
            assert bare.facts == held.facts
