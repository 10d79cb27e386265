"""Limits of the node itself hold to the last item: at it yes, one beyond no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federation.effects import Items, MarksOf, Which
from federation.envelope import verify
from governance.agreement import Phase
from governance.policy_text import MAX_POLICY_BYTES
from node import side
from node.agreements import ProposedAgreement
from node.consents import MAX_HOW_CHARS
from node.errors import BadInput
from node.peers.meeting import MAX_INVITE_H
from node.policies import Policies
from node.principal import LOCAL
from node.store.rows import Offer
from node.support import MAX_HOPS, onward
from tests.unit.node.met import Two
from tests.world import OPEN_POLICY, World, WorldNode, terms


@pytest.mark.parametrize(("crossed", "offered"), [(MAX_HOPS - 1, {"title": MAX_HOPS}), (MAX_HOPS, {})])
def test_a_field_is_offered_over_so_many_lines_and_no_further(crossed: int, offered: dict[str, int]) -> None:
    offer = Offer(1, 1, 1, bytes(32), 0, "title", 0, str(crossed))
    assert onward([offer], to=2, passing={1}) == offered


@pytest.mark.parametrize(("crossed", "refused"), [(MAX_HOPS, None), (MAX_HOPS + 1, "hops")])
async def test_a_copy_is_taken_over_so_many_lines_and_no_further(
    world: World, ana: WorldNode, bao: WorldNode, crossed: int, refused: str | None
) -> None:
    rid = await world.publish(ana)
    held = (await ana.live())[ana.id, rid]
    assert held.row.jws is not None
    envelope = verify(held.row.jws, list(held.texts.values()), {ana.id: ana.history}.get)
    row = await bao.peer(ana)
    async with bao.core.store.write() as tx:
        situation = await bao.core.situation(tx)
        shelf = await bao._shelf(tx, situation.peer(row), situation)
        refusal = await shelf.put(envelope, Phase.ACTIVE, dict.fromkeys(envelope.texts, crossed))
    assert (refusal.code if refusal else None) == refused


async def test_one_swap_hands_over_so_many_withdrawals_and_the_next_the_rest(
    world: World, ana: WorldNode, bao: WorldNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side, "MAX_MARKS", 3)
    for n in range(4):
        await ana.library.withdraw(LOCAL, await world.publish(ana, f"No. {n}"), "error")
    await ana.sharing.ledger.settle((await ana.peer(bao)).id)
    peer_id = (await ana.peer(bao)).id
    ids = tuple(ident for _, ident in await ana.sides.perform(peer_id, Items(Which.MARKS), []))
    assert len(ids) == 4
    for asked, given in ((ids[:3], 3), (ids, 3), (ids[3:], 1)):
        assert len((await ana.sides.perform(peer_id, MarksOf(asked), [])).tokens) == given


@pytest.mark.parametrize(("hours", "fits"), [(0, False), (1, True), (MAX_INVITE_H, True), (MAX_INVITE_H + 1, False)])
async def test_an_invitation_is_valid_for_so_many_hours_and_no_longer(
    two: Two, ana: WorldNode, hours: int, fits: bool
) -> None:
    peers = two.peers[ana.id]
    if fits:
        view = await peers.invite(LOCAL, terms=ProposedAgreement(), valid_h=hours)
        assert view.expires_at == ana.clock.now() + hours * 3600
    else:
        with pytest.raises(BadInput, match=f"1 to {MAX_INVITE_H} hours, not {hours}"):
            await peers.invite(LOCAL, terms=ProposedAgreement(), valid_h=hours)


@pytest.mark.parametrize("beyond", [0, 1])
async def test_the_policy_file_has_at_most_the_bytes_that_a_policy_has(
    ana: WorldNode, tmp_path: Path, beyond: int
) -> None:
    room = MAX_POLICY_BYTES - len(OPEN_POLICY.encode()) - 1
    (tmp_path / "policy.toml").write_text(f"{OPEN_POLICY}#{'x' * (room + beyond)}")
    await Policies(ana.core, tmp_path / "policy.toml").refresh()
    assert ("more than" in ana.core.policy_problem) == bool(beyond)
    assert bool(ana.core.policy_problem) == bool(beyond)


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ({"how": "h" * MAX_HOW_CHARS}, True),
        ({"how": "h" * (MAX_HOW_CHARS + 1)}, False),
        ({"subject": "s" * 200}, True),
        ({"subject": "s" * 201}, False),
    ],
)
async def test_a_permission_is_worded_in_so_many_characters(ana: WorldNode, given: dict[str, str], fits: bool) -> None:
    whole: dict[str, Any] = {"subject": "s", "how": "said so"} | given
    if fits:
        assert (await ana.consents.grant(LOCAL, terms=terms(), **whole)).grant.active
    else:
        with pytest.raises(BadInput):
            await ana.consents.grant(LOCAL, terms=terms(), **whole)


@pytest.mark.parametrize(("late_s", "fits"), [(-1, False), (0, False), (1, True)])
async def test_a_permission_ends_in_the_future(ana: WorldNode, late_s: int, fits: bool) -> None:
    ending = terms(until=ana.clock.now() + late_s)
    if fits:
        assert (await ana.consents.grant(LOCAL, subject="s", terms=ending, how="said so")).grant.active
    else:
        with pytest.raises(BadInput, match=r"until: \d{4}-\d\d-\d\d, \d\d:\d\d UTC has passed"):
            await ana.consents.grant(LOCAL, subject="s", terms=ending, how="said so")
        assert not await ana.consents.list(LOCAL)
