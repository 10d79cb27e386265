"""Notices: taken once and in order, also from a node that lost its numbers with its disk (DESIGN 7, invariant 4)."""

from __future__ import annotations

import json

import pytest

from federation.client import Line
from federation.documents import Notice, NoticeKind
from federation.errors import PeerError
from governance.agreement import Phase
from node.errors import NotNow
from node.principal import LOCAL
from node.store.rows import Outgoing
from tests.unit.node.met import Two
from tests.world import WorldNode

DAY_S = 86_400


async def test_a_node_restored_from_a_backup_is_heard(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    backup = ana.store.snapshot()
    for step in ("suspend", "resume"):
        two.world.clock.time += 10
        await getattr(two.peers[ana.id], step)(LOCAL, bao.id)
    ana.store.put_back(backup)
    two.world.clock.time += 10

    await two.peers[ana.id].end(LOCAL, bao.id)

    assert await two.phase(bao, ana) == Phase.ENDED
    assert two.lines["ana"].said == sorted(set(two.lines["ana"].said))


async def test_a_restored_node_with_a_wrong_clock_signs_above_what_its_peer_has_seen(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    backup = ana.store.snapshot()
    two.world.clock.time += 10 * DAY_S
    await two.peers[ana.id].suspend(LOCAL, bao.id)
    seen = two.lines["ana"].said[-1]
    ana.store.put_back(backup)
    two.world.clock.time -= 5 * DAY_S

    await two.peers[ana.id].end(LOCAL, bao.id)

    assert two.lines["ana"].said[-2] < seen
    assert two.lines["ana"].said[-1] == seen + 1 == (await ana.peer(bao)).notice_seq
    assert await two.phase(bao, ana) == Phase.ENDED
    async with ana.store.read() as tx:
        assert not await tx.count(Outgoing)


async def test_a_restored_node_that_its_peer_has_to_call_is_heard_too(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    backup = ana.store.snapshot()
    two.world.clock.time += 10 * DAY_S
    await two.peers[ana.id].suspend(LOCAL, bao.id)
    ana.store.put_back(backup)
    two.world.clock.time -= 5 * DAY_S
    two.lines["ana"].open = False
    await two.peers[ana.id].end(LOCAL, bao.id)
    assert await two.phase(bao, ana) == Phase.SUSPENDED

    for _ in range(2):  # the second call tells ana that it was heard
        await two.peers[bao.id].exchange_agreement((await bao.peer(ana)).id)

    assert await two.phase(bao, ana) == Phase.ENDED
    async with ana.store.read() as tx:
        assert not await tx.count(Outgoing)


async def test_a_notice_whose_answer_was_lost_is_told_again_and_changes_nothing(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    line = two.lines["ana"]
    line.lose_answers = True
    await two.peers[ana.id].suspend(LOCAL, bao.id)
    line.lose_answers = False

    assert await two.peers[ana.id].deliver_notices((await ana.peer(bao)).id)

    assert await two.phase(bao, ana) == Phase.SUSPENDED
    await two.peers[ana.id].resume(LOCAL, bao.id)
    assert await two.phase(bao, ana) == await two.phase(ana, bao) == Phase.ACTIVE


@pytest.mark.parametrize("before", [None, "9", True, -1, 2**53 - 1, 10**30])
async def test_a_peer_that_answers_nonsense_cannot_use_up_our_numbers(
    two: Two, ana: WorldNode, bao: WorldNode, before: object
) -> None:
    async def nonsense(line: Line, method: str, path: str, body: bytes) -> bytes:
        return json.dumps({"before": before}).encode()

    line = two.lines["ana"]
    line.ask = nonsense  # type: ignore[method-assign]
    await two.peers[ana.id].suspend(LOCAL, bao.id)
    assert (await ana.peer(bao)).notice_seq == two.world.clock.time
    await two.peers[ana.id].resume(LOCAL, bao.id)
    assert (await ana.peer(bao)).notice_seq == two.world.clock.time + 1


def _notice(ana: WorldNode, bao: WorldNode, **more: object) -> str:
    notice = Notice(iss=ana.id, iat=ana.clock.now(), to=bao.id, agreement="none", kind=NoticeKind.END, seq=1)
    return ana.core.sign(notice.model_copy(update=more))


async def test_an_old_notice_is_ignored_and_answered_with_the_number_of_the_last(
    two: Two, ana: WorldNode, bao: WorldNode
) -> None:
    assert await two.peers[bao.id].noticed(ana.id, _notice(ana, bao, kind=NoticeKind.SUSPEND, seq=7)) == 0
    assert await two.peers[bao.id].noticed(ana.id, _notice(ana, bao, seq=7)) == 7
    assert await two.peers[bao.id].noticed(ana.id, _notice(ana, bao, seq=6)) == 7
    assert await two.phase(bao, ana) == Phase.SUSPENDED


async def test_a_notice_to_or_from_somebody_else_is_refused(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    for wrong in (_notice(ana, ana), _notice(bao, bao), _notice(bao, ana)):
        with pytest.raises(PeerError):
            await two.peers[bao.id].noticed(ana.id, wrong)
    assert await two.phase(bao, ana) == Phase.ACTIVE


async def test_only_the_side_that_suspended_can_resume(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await two.peers[ana.id].suspend(LOCAL, bao.id)
    with pytest.raises(NotNow, match="only it can resume"):
        await two.peers[bao.id].resume(LOCAL, ana.id)


async def test_two_suspensions_need_two_resumptions(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    for here, there in ((ana, bao), (bao, ana)):
        await two.peers[here.id].suspend(LOCAL, there.id)
    await two.peers[ana.id].resume(LOCAL, bao.id)
    assert await two.phase(ana, bao) == await two.phase(bao, ana) == Phase.SUSPENDED
    two.world.clock.time += 1
    await two.peers[bao.id].resume(LOCAL, ana.id)
    assert await two.phase(ana, bao) == await two.phase(bao, ana) == Phase.ACTIVE


async def test_a_block_is_an_end_for_the_other_side(two: Two, ana: WorldNode, bao: WorldNode) -> None:
    await two.peers[ana.id].block(LOCAL, bao.id)
    assert (await two.phase(ana, bao), await two.phase(bao, ana)) == (Phase.BLOCKED, Phase.ENDED)
