"""Explanations: every way a decision can go is said in words, and no word of a field's value is among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from governance.agreement import Phase
from governance.gate import NoPolicy
from governance.terms import DIRECT, NODE, PUBLIC, STEWARDS
from node.principal import LOCAL
from node.store.rows import PeerRow
from tests.world import POLICIES, START, World, WorldNode, set_policy, terms

SECRET = "Zanzibar"
FIELDS = {name: f"{SECRET} in {name}" for name in ("title", "summary", "body", "person:p1", "quote:q1", "place:x")}
SHAPES = {
    "person:p1": {"name": SECRET, "role": f"{SECRET} role"},
    "quote:q1": {"text": f"{SECRET} said", "by": SECRET},
    "place:x": {"name": SECRET},
}


async def _secret(world: World, **more: Any) -> str:
    """A record of ana's in which every field holds the word."""
    return await world.publish(world.nodes[0], FIELDS["title"], fields=FIELDS | SHAPES, **more)


async def _explained(ana: WorldNode, rid: str, to: str) -> list[str]:
    view = await ana.tracing.explain(LOCAL, rid, to)
    text = view.model_dump_json()
    assert SECRET not in text
    assert "{" not in "".join(view.words)
    assert all(w.reason.strip() for w in view.withheld)
    assert len(view.words) > 1
    return view.words


@pytest.mark.parametrize("audience", [STEWARDS, NODE, DIRECT, PUBLIC])
@pytest.mark.parametrize("policy", [*POLICIES, NoPolicy(), NoPolicy("line 3 is no rule")])
async def test_no_explanation_shows_what_a_field_says(
    world: World, ana: WorldNode, bao: WorldNode, audience: str, policy: NoPolicy
) -> None:
    rid = await _secret(world, audiences=(audience,), field_terms={"summary": terms(NODE)}, until=START + 50)
    set_policy(ana, policy)
    for at in (START, START + 50):
        world.clock.time = at
        for to in ("public", "member", "editor", "steward", bao.id):
            await _explained(ana, rid, to)


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.AGREED])
async def test_every_phase_of_an_agreement_is_explained(
    world: World, ana: WorldNode, bao: WorldNode, phase: Phase
) -> None:
    rid = await _secret(world)
    row = await ana.peer(bao)
    async with ana.store.write() as tx:
        await tx.put(replace(row, phase=phase))
    words = await _explained(ana, rid, bao.id)
    expected = (
        "Shared: " if phase is Phase.ACTIVE else f"The agreement with this organisation is not active: it is {phase}."
    )
    assert any(expected in w for w in words)


async def test_a_peer_without_an_agreement_is_told_so(world: World, ana: WorldNode, bao: WorldNode) -> None:
    rid = await _secret(world)
    row = await ana.peer(bao)
    async with ana.store.write() as tx:
        await tx.put(PeerRow(**{n: getattr(row, n) for n in PeerRow.columns()} | {"agreement": None}))
    assert await _explained(ana, rid, bao.id) == ["Not shared.", "There is no agreement with this organisation."]


async def test_a_withheld_field_is_named_with_its_reason_once(world: World, ana: WorldNode, bao: WorldNode) -> None:
    rid = await _secret(world, field_terms={"summary": terms(NODE)})
    words = await _explained(ana, rid, bao.id)
    assert [w for w in words if "summary" in w] == [
        "Without summary: It is for members of the organisation it comes from only."
    ]
