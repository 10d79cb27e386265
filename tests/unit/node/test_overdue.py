"""Confirmations that are late show at both sides, and suspend by themselves where the agreement says so (DESIGN 7)."""

from __future__ import annotations

import pytest

from governance.agreement import Phase
from node.agreements import ProposedAgreement
from node.principal import LOCAL
from node.reminding import Reminding
from node.store.governing import Audit
from node.store.rows import Outgoing
from tests.unit.node.met import Two
from tests.unit.node.test_agreeing import _agree, _session
from tests.world import WorldNode

HOUR_S = 3600


async def _shared(two: Two, ana: WorldNode, bao: WorldNode, *, suspends: bool) -> str:
    """A record of ana that bao holds, under an agreement that gives an hour."""
    await _agree(two, ana, bao, ProposedAgreement(response_h=1, suspend_overdue=suspends))
    rid = await two.world.publish(ana)
    for _ in range(2):
        await _session(two, bao, ana)
    assert len(await bao.live()) == 1
    return rid


async def _late(two: Two, ana: WorldNode, bao: WorldNode, rid: str) -> None:
    await ana.library.withdraw(LOCAL, rid, "consent")
    two.world.clock.time += HOUR_S
    await ana.tend()
    assert await two.phase(ana, bao) == Phase.ACTIVE  # the hour is not over before its last second
    two.world.clock.time += 61
    await ana.tend()


async def _suspensions(node: WorldNode) -> list[Audit]:
    async with node.store.read() as tx:
        return await tx.find(Audit, {"action": "peer.suspend"})


@pytest.fixture
async def late(two: Two, ana: WorldNode, bao: WorldNode) -> str:
    rid = await _shared(two, ana, bao, suspends=True)
    await _late(two, ana, bao, rid)
    return rid


async def test_a_withdrawal_not_confirmed_in_time_suspends_by_itself_with_a_signed_notice(
    late: str, two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    assert await two.phase(ana, bao) == Phase.SUSPENDED
    await two.peers[ana.id].deliver_notices((await ana.peer(bao)).id)
    assert await two.phase(bao, ana) == Phase.SUSPENDED
    (entry,) = await _suspensions(ana)
    assert (entry.actor, entry.subject) == ("the agreement itself", bao.id)


async def test_it_suspends_once_and_a_resumption_lifts_it_although_the_confirmation_is_still_missing(
    late: str, two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await two.peers[ana.id].resume(LOCAL, bao.id)
    for _ in range(3):
        two.world.clock.time += 61
        await ana.tend()
    assert await two.phase(ana, bao) == await two.phase(bao, ana) == Phase.ACTIVE
    assert len(await _suspensions(ana)) == 1


async def test_a_crash_before_the_commit_leaves_no_half_suspension(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    rid = await _shared(two, ana, bao, suspends=True)
    await ana.library.withdraw(LOCAL, rid, "consent")
    backup = ana.store.snapshot()
    two.world.clock.time += HOUR_S + 61
    for _ in range(2):  # the second time after going back to before the first
        ana.put_back(backup)
        await ana.tend()
        async with ana.store.read() as tx:
            notices = await tx.count(Outgoing, {"what": "notice"})
        assert (await two.phase(ana, bao), len(await _suspensions(ana)), notices) == (Phase.SUSPENDED, 1, 1)


async def test_a_later_withdrawal_that_becomes_late_suspends_again(
    late: str, two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await two.peers[ana.id].resume(LOCAL, bao.id)
    rid = await two.world.publish(ana, "Another title")
    for _ in range(2):
        await _session(two, bao, ana)
    await _late(two, ana, bao, rid)
    assert await two.phase(ana, bao) == Phase.SUSPENDED
    assert len(await _suspensions(ana)) == 2


async def test_the_withdrawal_still_travels_while_suspended_and_the_receipt_comes_back(
    late: str, two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    await two.peers[ana.id].deliver_notices((await ana.peer(bao)).id)
    for _ in range(3):
        await _session(two, bao, ana)
    assert await bao.live() == {}
    (withdrawal,) = await ana.tracing.withdrawals(LOCAL)
    assert (withdrawal.confirmed, withdrawal.overdue) == (1, 0)
    assert await two.phase(ana, bao) == Phase.SUSPENDED  # only a resumption lifts it


async def test_without_the_clause_being_late_shows_and_suspends_nothing(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    rid = await _shared(two, ana, bao, suspends=False)
    await _late(two, ana, bao, rid)
    assert await two.phase(ana, bao) == Phase.ACTIVE
    (view,) = await two.peers[ana.id].list(LOCAL)
    assert view.reminders == [r.words for r in await Reminding(ana.core).reminders(LOCAL)]
    assert "bao owes you 1 confirmation of a withdrawal" in view.reminders[0]
    assert [c.ok for c in await Reminding(ana.core).health()] == [False]


async def test_the_holder_sees_what_it_owes_until_it_has_handed_it_over(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    rid = await _shared(two, ana, bao, suspends=False)
    await ana.library.withdraw(LOCAL, rid, "consent")
    two.world.bonds.clear()
    await two.world.session(bao, ana)  # bao hears of it, and clears nothing yet
    two.world.clock.time += HOUR_S + 1
    for _ in range(2):
        (reminder,) = await Reminding(bao.core).reminders(LOCAL)
        assert (reminder.kind, reminder.count, reminder.name) == ("owe", 1, "ana")
        assert reminder.at == two.world.clock.time - HOUR_S - 1
        await bao.tend()  # cleared: now the receipt waits for a session
    await two.world.session(bao, ana)
    await two.world.tend()
    assert await Reminding(bao.core).reminders(LOCAL) == []
