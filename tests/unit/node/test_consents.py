"""Consent: a change seals the records concerned in its own transaction, so nothing is ever served under the old one."""

from __future__ import annotations

import pytest

from governance.gate import Outcome
from governance.record import ContributorLink
from node.errors import BadInput
from node.principal import LOCAL
from node.store.rows import GrantRow
from tests.world import Crash, World, WorldNode, draft, terms

LINKED = ContributorLink(subject="s1", fields=("quote:q",))
QUOTE = {"quote:q": {"text": "so it was"}}


async def sent(node: WorldNode, rid: str, to: WorldNode) -> set[str]:
    """The fields that the peer may have now, by the gate."""
    peer = await node.peer(to)
    held = (await node.live())[node.id, rid]
    async with node.core.store.read() as tx:
        decision, _ = await node.sharing.ledger.decision_for(tx, held, peer.id)
    return set(decision.fields) if decision.outcome is Outcome.SHARE else set()


async def test_without_a_permission_a_contributors_field_stays_here(ana: WorldNode, bao: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft(fields=QUOTE, contributors=[LINKED]))).rid
    assert "quote:q" not in await sent(ana, rid, bao)
    effect = await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so")
    assert effect.records_changed == 1
    assert "quote:q" in await sent(ana, rid, bao)


async def test_taking_a_permission_back_acts_before_anybody_asks(ana: WorldNode, bao: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft(fields=QUOTE, contributors=[LINKED]))).rid
    effect = await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so")
    before = (await ana.live())[ana.id, rid].row.ver
    await ana.consents.withdraw(LOCAL, effect.grant.gid)
    assert "quote:q" not in await sent(ana, rid, bao)
    assert (await ana.live())[ana.id, rid].row.ver == before + 1


async def test_a_crash_takes_back_the_grant_and_the_seal_together(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft(fields=QUOTE, contributors=[LINKED]))).rid
    ana.store.crash_in = 0
    with pytest.raises(Crash):
        await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so")
    async with ana.core.store.read() as tx:
        assert not await tx.count(GrantRow)
    assert (await ana.live())[ana.id, rid].row.ver == 1


async def test_a_change_that_changes_no_terms_seals_nothing(ana: WorldNode) -> None:
    await ana.library.create(LOCAL, draft(fields=QUOTE, contributors=[LINKED]))
    await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so")
    again = await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so again")
    assert again.records_changed == 0


async def test_withdrawing_twice_is_withdrawing_once(ana: WorldNode) -> None:
    effect = await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so")
    first = await ana.consents.withdraw(LOCAL, effect.grant.gid)
    second = await ana.consents.withdraw(LOCAL, effect.grant.gid)
    assert first.grant.withdrawn_at == second.grant.withdrawn_at


async def test_a_permission_for_one_record_makes_its_giver_a_contributor_of_it(ana: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft())).rid
    await ana.consents.grant(LOCAL, subject="s9", terms=terms("node"), how="said so", ref=rid, fields=["body"])
    (held,) = (await ana.live()).values()
    assert held.terms["body"].audiences == {"node"}
    assert [g.subject for g in await ana.consents.list(LOCAL, ref=rid)] == ["s9"]


@pytest.mark.parametrize(
    "changed", [{"subject": " "}, {"how": ""}, {"given_at": 2**40}, {"fields": ["No Field"]}, {"subject": "s" * 201}]
)
async def test_a_permission_needs_a_giver_a_way_and_a_time_that_has_come(
    ana: WorldNode, changed: dict[str, object]
) -> None:
    given: dict[str, object] = {"subject": "s1", "terms": terms(), "how": "said so"} | changed
    with pytest.raises(BadInput):
        await ana.consents.grant(LOCAL, **given)  # type: ignore[arg-type]


async def test_what_a_contributor_takes_back_is_taken_from_a_peer(world: World, ana: WorldNode, bao: WorldNode) -> None:
    rid = (await ana.library.create(LOCAL, draft(fields=QUOTE, contributors=[LINKED]))).rid
    effect = await ana.consents.grant(LOCAL, subject="s1", terms=terms("network"), how="said so")
    await world.quiet()
    assert "quote:q" in (await bao.live())[ana.id, rid].texts
    await ana.consents.withdraw(LOCAL, effect.grant.gid)
    await world.quiet()
    assert "quote:q" not in (await bao.live())[ana.id, rid].texts
