"""Peers watch one another's logs: what continues is cosigned, what was rewritten or cut raises an alarm that stays."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from federation.checkpoint import Head, cosigned, read_note, sign_head
from federation.client import Line, TransportError
from federation.errors import Code, PeerError
from federation.identity import KeyHistory
from federation.witness import Shown, read_shown, write_shown
from governance.agreement import Phase
from node.audit.log import newest_checkpoint
from node.audit.tree import FRONTIER
from node.audit.witnessing import ASK_S, OLD_PEER, Witnessing
from node.errors import NotNow
from node.principal import LOCAL
from node.store.governing import Audit, Checkpoint, Witnessed
from node.store.rows import Meta, PeerRow
from node.views import CheckView
from tests.unit.node.test_audit_log import Desk
from tests.world import WorldNode


@dataclass
class Wire:
    """A line without HTTP: what is shown passes the wire's own form, and is counted."""

    here: WorldNode
    there: WorldNode
    old: bool = False
    lost: str = ""
    asked: int = 0

    @property
    def peer(self) -> KeyHistory:
        return self.there.history

    async def show_log(self, shown: Shown) -> Shown | None:
        self.asked += 1
        if self.old:
            return None
        if self.lost == "request":
            raise TransportError("lost")
        answer = await Witnessing(self.there.core).answer(self.here.history, read_shown(write_shown(shown)))
        if self.lost == "reply":
            raise TransportError("lost")
        return read_shown(write_shown(answer))


class Pair:
    """Two nodes that have agreed, each with its log."""

    def __init__(self, ana: WorldNode, bao: WorldNode) -> None:
        self.ana, self.bao = Desk(ana), Desk(bao)

    async def visit(self, here: Desk, there: Desk, **how: Any) -> int:
        """One session's exchange; how many requests it took."""
        for desk in (here, there):
            await desk.log.follow()
        line = Wire(here.node, there.node, **how)
        await Witnessing(here.node.core).visit((await here.node.peer(there.node)).id, cast(Line, line))
        return line.asked

    async def grown(self, count: int = 3) -> None:
        await self.ana.note(count)
        await self.bao.note(count)


@pytest.fixture
async def pair(ana: WorldNode, bao: WorldNode) -> Pair:
    made = Pair(ana, bao)
    await made.grown()
    return made


async def known(at: Desk, of: Desk) -> Witnessed:
    async with at.node.store.read() as tx:
        row = await tx.get(Witnessed, of.node.id)
    assert row is not None
    return row


async def witnesses(desk: Desk) -> list[str]:
    return [w.name for w in (await desk.cases.checkpoint(LOCAL)).witnesses]


async def size(desk: Desk) -> int:
    async with desk.node.store.read() as tx:
        row = await newest_checkpoint(tx)
    assert row is not None
    return row.size


def of_logs(checks: list[CheckView]) -> list[str]:
    return [c.detail for c in checks if "log" in c.name and not c.ok]


# --- what continues --------------------------------------------------------------------------------------------------


async def test_one_visit_leaves_each_head_cosigned_by_the_other(pair: Pair) -> None:
    assert await pair.visit(pair.ana, pair.bao) == 2
    assert (await witnesses(pair.ana), await witnesses(pair.bao)) == (["bao"], ["ana"])
    for here, there in ((pair.ana, pair.bao), (pair.bao, pair.ana)):
        row = await known(here, there)
        assert (row.size, row.ours, row.alarm) == (await size(there), await size(here), "")


async def test_a_log_that_has_not_grown_is_not_shown_again_before_an_hour(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    assert await pair.visit(pair.ana, pair.bao) == 0
    pair.ana.node.clock.time += ASK_S
    assert await pair.visit(pair.ana, pair.bao) == 1


async def test_logs_that_grow_are_followed_over_many_visits_from_either_side(pair: Pair) -> None:
    for number in range(8):
        await pair.grown(number * 3 + 1)
        sides = (pair.ana, pair.bao) if number % 2 else (pair.bao, pair.ana)
        await pair.visit(*sides)
        assert (await known(pair.bao, pair.ana)).size == await size(pair.ana)
        assert (await known(pair.ana, pair.bao)).size == await size(pair.bao)
    assert (await witnesses(pair.ana), await witnesses(pair.bao)) == (["bao"], ["ana"])
    found = await pair.ana.checked()
    assert (found.problems, [w.name for w in found.witnesses]) == ((), ["bao"])


async def test_witnessing_by_itself_writes_nothing_into_either_log(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    before = (await size(pair.ana), await size(pair.bao))
    await pair.visit(pair.ana, pair.bao)
    assert (await size(pair.ana), await size(pair.bao)) == before


@pytest.mark.parametrize("lost", ["request", "reply"])
async def test_an_exchange_that_is_lost_is_made_up_for_by_the_next(pair: Pair, lost: str) -> None:
    await pair.visit(pair.ana, pair.bao, lost=lost)
    await pair.grown()
    await pair.visit(pair.ana, pair.bao, lost=lost)
    await pair.grown()
    await pair.visit(pair.ana, pair.bao)
    assert (await known(pair.bao, pair.ana)).size == await size(pair.ana)
    assert (await witnesses(pair.ana), await witnesses(pair.bao)) == (["bao"], ["ana"])
    assert of_logs(await pair.ana.cases.health()) == of_logs(await pair.bao.cases.health()) == []


async def test_a_peer_of_an_earlier_version_is_no_error_and_is_asked_again_in_an_hour(pair: Pair) -> None:
    assert await pair.visit(pair.ana, pair.bao, old=True) == 1
    assert (await known(pair.ana, pair.bao)).refused == OLD_PEER
    await pair.grown()
    assert await pair.visit(pair.ana, pair.bao) == 0
    assert of_logs(await pair.ana.cases.health()) == []
    pair.ana.node.clock.time += ASK_S
    assert await pair.visit(pair.ana, pair.bao) == 2
    assert (await known(pair.ana, pair.bao)).refused == ""


@pytest.mark.parametrize("change", [{"agreement": None}, {"phase": Phase.BLOCKED}])
async def test_a_peer_without_an_agreement_or_blocked_is_not_shown_our_log(pair: Pair, change: dict[str, Any]) -> None:
    row = await pair.ana.node.peer(pair.bao.node)
    async with pair.ana.node.store.write() as tx:
        await tx.put(replace(row, **change))
    assert await pair.visit(pair.ana, pair.bao) == 0


async def test_a_cosignature_that_does_not_hold_is_left_out(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    await pair.grown()
    for desk in (pair.ana, pair.bao):
        await desk.log.follow()
    wrong = read_note((await pair.bao.cases.checkpoint(LOCAL)).note).signatures[0]
    await Witnessing(pair.ana.node.core).answer(pair.bao.node.history, Shown(0, cosigned=(await size(pair.ana), wrong)))
    note = read_note((await pair.ana.cases.checkpoint(LOCAL)).note)
    assert cosigned(note, {pair.bao.node.id: pair.bao.node.history}) == {}
    assert len(note.signatures) == 1


async def test_a_head_that_another_key_signed_is_misconduct_and_one_of_a_key_not_yet_known_is_not(pair: Pair) -> None:
    keys, history = pair.bao.node.core.keys, pair.bao.node.history
    head = Head(pair.bao.node.id, 5, bytes(32))
    witnessing = Witnessing(pair.ana.node.core)
    await pair.ana.log.follow()
    forged = sign_head(head, keys.log)
    bent = replace(forged, head=replace(head, size=6))
    with pytest.raises(PeerError) as refusal:
        await witnessing.answer(history, Shown(0, bent))
    assert refusal.value.code is Code.BAD_SIGNATURE
    answer = await witnessing.answer(history, Shown(0, sign_head(head, keys.record)))
    assert (answer.seen, answer.cosigned, answer.alarm) == (0, None, "")


# --- what does not ---------------------------------------------------------------------------------------------------


async def test_a_changed_leaf_alarms_the_peer_at_the_next_exchange(pair: Pair, caplog: Any) -> None:
    await pair.visit(pair.ana, pair.bao)
    await pair.ana.change(1, leaf=bytes(32), detail="nothing of the kind")
    await pair.grown()
    with caplog.at_level(logging.ERROR):
        await pair.visit(pair.ana, pair.bao)
    row = await known(pair.bao, pair.ana)
    assert row.alarm.startswith("rewritten")
    assert read_note(row.note).head.size < read_note(row.shown).head.size
    assert "the audit log of ana: rewritten" in caplog.text
    assert any("rewritten" in d for d in of_logs(await pair.bao.cases.health()))
    assert any("rewritten" in d for d in of_logs(await pair.ana.cases.health()))
    view = await pair.bao.node.peers.get(LOCAL, "ana")
    assert view.log_alarm == row.alarm
    assert [a.detail for a in await pair.bao.rows() if a.action == "log.alarm"] == [row.alarm]


async def test_a_removed_entry_alarms_the_peer_at_the_next_exchange(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    await pair.ana.remove(2)
    await pair.grown()
    await pair.visit(pair.bao, pair.ana)
    assert (await known(pair.bao, pair.ana)).alarm.startswith("rewritten")


async def rewrite(desk: Desk) -> None:
    """A thorough operator: another text, and every leaf, root and signature made anew from it."""
    rows = await desk.rows()
    async with desk.node.store.write() as tx:
        for row in rows:
            await tx.put(replace(row, n=None, leaf=None, salt=None, detail="as we like it"))
        await tx.delete(Meta, {"name": FRONTIER})
        await tx.delete(Checkpoint)
    await desk.log.follow()
    assert (await desk.cases.verify(LOCAL)).ok


async def test_a_history_rewritten_with_all_its_hashes_and_signatures_alarms_the_peer_all_the_same(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    await rewrite(pair.ana)
    pair.ana.node.clock.time += ASK_S  # it has not grown, and is looked at again all the same
    await pair.visit(pair.ana, pair.bao)
    assert (await known(pair.bao, pair.ana)).alarm.startswith("rewritten")


async def test_an_alarm_stays_whatever_is_shown_next_and_nothing_is_cosigned_meanwhile(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    await rewrite(pair.ana)
    await pair.grown()
    await pair.visit(pair.ana, pair.bao)
    alarm = await known(pair.bao, pair.ana)
    for _ in range(3):
        await pair.grown()
        pair.ana.node.clock.time += ASK_S
        await pair.visit(pair.ana, pair.bao)
    after = await known(pair.bao, pair.ana)
    assert (after.alarm, after.size, after.note, after.shown) == (alarm.alarm, alarm.size, alarm.note, alarm.shown)
    assert await witnesses(pair.ana) == []
    assert (await known(pair.ana, pair.bao)).alarm == ""


# --- restored from a backup ------------------------------------------------------------------------------------------


async def restored(pair: Pair) -> None:
    """Ana's disk is lost; an older backup takes its place."""
    await pair.visit(pair.ana, pair.bao)
    backup = pair.ana.node.store.snapshot()
    await pair.grown(5)
    await pair.visit(pair.ana, pair.bao)
    pair.ana.node.put_back(backup)
    pair.ana = Desk(pair.ana.node)
    await pair.ana.note(1)


async def test_a_restored_node_is_shorter_than_witnessed_and_both_sides_say_so(pair: Pair) -> None:
    await restored(pair)
    await pair.visit(pair.ana, pair.bao)
    row = await known(pair.bao, pair.ana)
    assert row.alarm.startswith("shorter than witnessed")
    assert any("restored from an old backup" in d for d in of_logs(await pair.ana.cases.health()))
    assert any("shorter than witnessed" in d for d in of_logs(await pair.bao.cases.health()))


async def test_a_steward_of_the_peer_can_accept_a_restored_log_and_witnessing_goes_on(pair: Pair) -> None:
    await restored(pair)
    await pair.visit(pair.ana, pair.bao)
    view = await pair.bao.cases.accept(LOCAL, "ana", "their disk was lost")
    assert (view.alarm, view.size) == ("", await size(pair.ana))
    for _ in range(3):
        await pair.grown(4)
        pair.ana.node.clock.time += ASK_S
        await pair.visit(pair.ana, pair.bao)
    row = await known(pair.bao, pair.ana)
    assert (row.alarm, row.size) == ("", await size(pair.ana))
    assert await witnesses(pair.ana) == ["bao"]
    assert of_logs(await pair.ana.cases.health()) == []
    noted = [a.detail for a in await pair.bao.rows() if a.action == "log.accept"]
    assert len(noted) == 1
    assert noted[0].endswith("accepted: their disk was lost")


async def test_who_has_accepted_looks_at_once_and_the_other_knows_that_all_is_well(pair: Pair) -> None:
    await restored(pair)
    await pair.visit(pair.ana, pair.bao)
    await pair.bao.cases.accept(LOCAL, "ana", "")
    assert await pair.visit(pair.bao, pair.ana) == 2
    row = await known(pair.ana, pair.bao)
    assert (row.refused, row.ours) == ("", await size(pair.ana))
    await pair.grown()
    assert await pair.visit(pair.ana, pair.bao) == 2


async def test_without_an_alarm_there_is_nothing_to_accept(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    with pytest.raises(NotNow, match="no alarm"):
        await pair.bao.cases.accept(LOCAL, "ana", "")


async def test_a_restored_witness_takes_up_where_it_is_again(pair: Pair) -> None:
    await pair.visit(pair.ana, pair.bao)
    backup = pair.bao.node.store.snapshot()
    await pair.grown(5)
    await pair.visit(pair.ana, pair.bao)
    pair.bao.node.put_back(backup)
    pair.bao = Desk(pair.bao.node)
    await pair.grown(2)
    await pair.visit(pair.ana, pair.bao)
    row = await known(pair.bao, pair.ana)
    assert (row.alarm, row.size) == ("", await size(pair.ana))
    async with pair.ana.node.store.read() as tx:
        assert [a.detail for a in await tx.find(Audit, {"action": "log.alarm"})] != []
        assert await tx.count(PeerRow) == 1
