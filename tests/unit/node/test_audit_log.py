"""The audit log by itself: every entry gets its leaf in order, whatever crashes; what is changed is found and named."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federation.checkpoint import read_note, verify_log
from federation.errors import PeerError
from federation.merkle import Frontier
from federation.transcript import Verified, verify_export
from node.audit.auditing import Auditing
from node.audit.log import KEEP, Log, newest_checkpoint
from node.audit.tree import BLOCK, FRONTIER, consistency_proof, inclusion_proof, read_frontier
from node.errors import NodeError, NotAllowed, NotFound, NotNow
from node.principal import ANYBODY, LOCAL
from node.store.governing import Audit, AuditBlock, Checkpoint
from node.store.rows import Meta
from node.store.sql import SqlStore, open_store
from tests.world import Crash, World, WorldNode


class Desk:
    """A node with its log and the use cases on it."""

    def __init__(self, node: WorldNode) -> None:
        self.node = node
        self.log = Log(node.core)
        self.cases = Auditing(node.core, self.log, node.peers)

    async def note(self, count: int = 1, subject: str = "s") -> None:
        """So many things were done, each in its own words."""
        async with self.node.core.store.write() as tx:
            for number in range(count):
                await self.node.core.audit(tx, "amal", "test.done", subject, f"number {number}")

    async def exported(self) -> list[str]:
        return [json.dumps(line) + "\n" async for line in self.cases.export(LOCAL)]

    async def checked(self) -> Verified:
        """What an outsider finds who has the export alone."""
        return verify_export(await self.exported())

    async def rows(self) -> list[Audit]:
        async with self.node.core.store.read() as tx:
            return await tx.find(Audit, order="id")

    async def change(self, n: int, **values: Any) -> None:
        """As somebody does who has the database."""
        async with self.node.core.store.write() as tx:
            (row,) = await tx.find(Audit, {"n": n})
            await tx.put(replace(row, **values))

    async def remove(self, n: int) -> None:
        async with self.node.core.store.write() as tx:
            await tx.delete(Audit, {"n": n})


@pytest.fixture
def desk(ana: WorldNode) -> Desk:
    return Desk(ana)


@pytest.fixture
async def sql(tmp_path: Path, world: World) -> AsyncIterator[SqlStore]:
    store = await open_store(f"sqlite:///{tmp_path}/node.db")
    world.nodes[0].core.store = store
    await world.nodes[0].introduce()
    yield store
    await store.close()


async def test_each_entry_gets_its_leaf_in_the_order_of_what_was_done_and_a_signed_head(desk: Desk) -> None:
    await desk.note(700)
    await desk.log.follow()
    rows = await desk.rows()
    assert [row.n for row in rows] == list(range(len(rows)))
    assert len({row.salt for row in rows}) == len({row.leaf for row in rows}) == len(rows)
    async with desk.node.store.read() as tx:
        head = await newest_checkpoint(tx)
        frontier = await read_frontier(tx)
    assert head is not None
    assert frontier == Frontier().extend(row.leaf for row in rows if row.leaf)
    assert verify_log(read_note(head.note), desk.node.history).root == frontier.root()


async def test_writing_an_entry_does_none_of_this(desk: Desk) -> None:
    await desk.note()
    assert [(r.n, r.leaf, r.salt) for r in await desk.rows()][-1] == (None, None, None)


async def test_entries_from_before_there_was_a_tree_join_it_at_the_first_look(desk: Desk) -> None:
    async with desk.node.store.write() as tx:
        for number in range(3):
            await tx.put(Audit(await tx.next_seq(), 5, "old", "old.done", str(number)))
    await desk.log.follow()
    found = await desk.checked()
    assert (found.problems, found.entries) == ((), len(await desk.rows()))


@pytest.mark.parametrize("before", range(3))
async def test_a_crash_between_the_entry_and_its_leaf_loses_neither(desk: Desk, before: int) -> None:
    await desk.note()
    await desk.log.follow()
    store = desk.node.store
    for round_ in range(4):
        store.crash_in = before
        try:
            await desk.note(2, f"round {round_}")
            await desk.log.follow()
            await desk.note()
            await desk.log.follow()
        except Crash:
            desk = Desk(desk.node)
        store.crash_in = None
        await desk.log.follow()
        rows = await desk.rows()
        assert [row.n for row in rows] == list(range(len(rows)))
        assert (await desk.checked()).problems == ()


async def test_nothing_new_signs_nothing_new(desk: Desk) -> None:
    await desk.note()
    await desk.log.follow()
    changes = desk.node.store.changes
    await desk.log.follow()
    assert desk.node.store.changes == changes


async def test_heads_that_nobody_cosigned_are_not_kept_for_ever(desk: Desk) -> None:
    for _ in range(KEEP + 10):
        await desk.note()
        await desk.log.follow()
    async with desk.node.store.read() as tx:
        assert await tx.count(Checkpoint) == KEEP


async def test_the_frontier_is_made_again_where_it_was_lost_or_damaged(desk: Desk) -> None:
    await desk.note(BLOCK + 5)
    await desk.log.follow()
    async with desk.node.store.read() as tx:
        right = await read_frontier(tx)
    for damaged in ("", "7:00", "x:y"):
        async with desk.node.store.write() as tx:
            await tx.put(Meta(FRONTIER, damaged))
        async with desk.node.store.read() as tx:
            assert await read_frontier(tx) == right


async def test_proofs_from_block_roots_are_those_from_leaves(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.note(5 * BLOCK + 7)
    await desk.log.follow()
    async with desk.node.store.read() as tx:
        size = (await read_frontier(tx)).size
        leaves = [row.leaf for row in await tx.find(Audit, order="n")]
        pairs = [(1, size), (BLOCK, size), (BLOCK + 1, size), (3 * BLOCK, 4 * BLOCK), (size - 1, size)]
        whole = [await consistency_proof(tx, *p) for p in pairs] + [await inclusion_proof(tx, 9, size)]
        monkeypatch.setattr("node.audit.tree.FROM_LEAVES", BLOCK)
        assert [await consistency_proof(tx, *p) for p in pairs] + [await inclusion_proof(tx, 9, size)] == whole
        assert await tx.count(AuditBlock) == len(leaves) // BLOCK


# --- proofs and exports ----------------------------------------------------------------------------------------------


async def test_every_entry_can_be_proved_to_somebody_who_has_only_the_proof(desk: Desk) -> None:
    await desk.note(10)
    await desk.log.follow()
    for n in range(10):
        found = verify_export([json.dumps(await desk.cases.prove(LOCAL, str(n)))])
        assert (found.problems, found.entries, found.node_id) == ((), 1, desk.node.id)


async def test_a_proof_of_another_text_or_place_names_the_entry(desk: Desk) -> None:
    await desk.note(10)
    await desk.log.follow()
    for member, value in (("detail", "something else"), ("n", 4), ("at", 7)):
        proof = await desk.cases.prove(LOCAL, "3")
        proof["entry"][member] = value
        problems = verify_export([json.dumps(proof)]).problems
        assert any("entry 3" in p or "entry 4" in p for p in problems)


async def test_what_is_no_export_is_refused_in_words(desk: Desk) -> None:
    for lines in ([], ["x\n"], ["{}\n"], ["[1]\n"], ['{"t":"log","format":"commonweave-audit/1"}\n']):
        with pytest.raises(PeerError):
            verify_export(lines)


async def test_an_export_of_another_nodes_key_does_not_verify(desk: Desk, bao: WorldNode) -> None:
    await desk.note(2)
    lines = await desk.exported()
    other = await _other_frame(bao)
    mixed = json.loads(lines[0]) | {"history": other["history"], "node": other["node"]}
    assert any("not signed by the log" in p for p in verify_export([json.dumps(mixed), *lines[1:]]).problems)


async def _other_frame(node: WorldNode) -> dict[str, Any]:
    other = Desk(node)
    await other.note()
    frame: dict[str, Any] = json.loads((await other.exported())[0])
    return frame


# --- what was changed is found ---------------------------------------------------------------------------------------

CHANGES: list[dict[str, Any]] = [
    {"detail": "nothing of the kind"}, {"actor": "somebody else"}, {"action": "test.other"}, {"at": 7},
    {"subject": "another"}, {"salt": bytes(16)}, {"leaf": bytes(32)}, {"leaf": None}, {"erased": bytes(32)},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=[next(iter(c)) for c in CHANGES])
async def test_a_rewritten_entry_is_found_and_named_here_and_by_an_outsider(desk: Desk, change: dict[str, Any]) -> None:
    await desk.note(9)
    await desk.log.follow()
    assert (await desk.cases.verify(LOCAL)).ok
    await desk.change(4, **change)
    own = await desk.cases.verify(LOCAL)
    assert not own.ok
    assert own.problems[0].startswith("entry 4 ")
    assert (await desk.checked()).problems[0].startswith("entry 4 ")
    assert not (await desk.cases.health())[0].ok


async def test_an_entry_rewritten_together_with_its_leaf_breaks_the_root(desk: Desk) -> None:
    await desk.note(9)
    await desk.log.follow()
    (other,) = [row for row in await desk.rows() if row.n == 5]
    await desk.change(4, at=other.at, detail=other.detail, salt=other.salt, leaf=other.leaf)
    for problems in ((await desk.cases.verify(LOCAL)).problems, (await desk.checked()).problems):
        assert "do not give the root" in problems[0]


@pytest.mark.parametrize("n", [0, 4, 8])
async def test_a_removed_entry_is_missed_by_its_number(desk: Desk, n: int) -> None:
    await desk.note(9)
    await desk.log.follow()
    last = len(await desk.rows()) - 1
    await desk.remove(n)
    problems = (await desk.cases.verify(LOCAL)).problems
    assert f"entry {n} is missing" in problems[0] if n < last else "entries where the signed head" in problems[0]
    assert (await desk.checked()).problems[0] == problems[0]


async def test_a_changed_leaf_under_a_block_is_found_by_looking_again_and_then_shown_by_proofs(desk: Desk) -> None:
    await desk.note(2 * BLOCK)
    await desk.log.follow()
    await desk.change(7, leaf=bytes(32))
    desk.node.clock.time += 3600
    await desk.log.follow()
    assert "were changed" in desk.log.problems[0]
    assert "were changed" in (await desk.cases.health())[0].detail


async def test_the_log_goes_on_where_an_older_entry_was_removed(desk: Desk) -> None:
    await desk.note(BLOCK - 10)
    await desk.log.follow()
    await desk.remove(3)
    await desk.note(20)
    await desk.log.follow()
    assert all(row.n is not None for row in await desk.rows())
    with pytest.raises(NodeError, match="missing"):
        await desk.cases.prove(LOCAL, "5")


# --- erasing text ----------------------------------------------------------------------------------------------------


async def test_erasing_a_text_leaves_every_head_and_proof_as_it_was(desk: Desk, sql: SqlStore, tmp_path: Path) -> None:
    await desk.note(3)
    await desk.note(1, "Rosa-Maria-Quispe")
    await desk.note(3)
    await desk.log.follow()
    (row,) = [r for r in await desk.rows() if r.subject == "Rosa-Maria-Quispe"]
    before = await desk.exported()
    await desk.cases.erase(LOCAL, str(row.n), "she asked for it")
    found = await desk.checked()
    assert (found.problems, found.erased) == ((), 1)
    assert verify_export(before).problems == ()
    assert (await desk.cases.verify(LOCAL)).ok
    assert verify_export([json.dumps(await desk.cases.prove(LOCAL, str(row.n)))]).problems == ()
    (after,) = [r for r in await desk.rows() if r.n == row.n]
    assert (after.leaf, after.salt, after.actor, after.subject, after.detail) == (row.leaf, None, "", "", "")
    assert "Rosa-Maria" not in "".join(await desk.exported())
    assert not [p for p in sorted(tmp_path.glob("node.db*")) if b"Rosa-Maria-Quispe" in p.read_bytes()]  # noqa: ASYNC240


async def test_erasing_twice_is_one_erasure_and_both_are_answered(desk: Desk) -> None:
    await desk.note(3)
    await desk.log.follow()
    for _ in range(2):
        assert (await desk.cases.erase(LOCAL, "1", "")).n == 1
    assert [r.subject for r in await desk.rows() if r.action == "audit.erase"] == ["1"]


async def test_an_erased_entry_cannot_be_given_another_text_time_or_action(desk: Desk) -> None:
    await desk.note(3)
    await desk.log.follow()
    await desk.cases.erase(LOCAL, "1", "")
    for change in ({"at": 1}, {"action": "test.other"}, {"actor": "somebody"}):
        (row,) = [r for r in await desk.rows() if r.n == 1]
        await desk.change(1, **change)
        assert "entry 1 " in (await desk.cases.verify(LOCAL)).problems[0]
        async with desk.node.store.write() as tx:
            await tx.put(row)


@pytest.mark.parametrize("entry", ["99", "-1", "x", "", "9" * 40, "٣"])
async def test_an_entry_that_is_not_there_is_named(desk: Desk, entry: str) -> None:
    await desk.note(3)
    await desk.log.follow()
    with pytest.raises(NotFound, match="no entry"):
        await desk.cases.prove(LOCAL, entry)
    with pytest.raises(NotFound, match="no entry"):
        await desk.cases.erase(LOCAL, entry, "")


async def test_a_log_without_a_head_says_so(desk: Desk) -> None:
    with pytest.raises(NotNow, match="signed head"):
        await desk.cases.checkpoint(LOCAL)


async def test_the_log_is_for_stewards(desk: Desk) -> None:
    await desk.note()
    await desk.log.follow()
    for call in (desk.cases.checkpoint, desk.cases.verify, desk.cases.witnessed):
        with pytest.raises(NotAllowed):
            await call(ANYBODY)
    with pytest.raises(NotAllowed):
        await desk.cases.erase(ANYBODY, "0", "")
