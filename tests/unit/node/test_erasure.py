"""Erasing: every surface, then the files, then the pages of the database, and only then a signature (invariant 10)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from federation.documents import Receipt, verify_document
from node.erasure import Eraser, index_key
from node.principal import LOCAL
from node.store.rows import Erasure, Outgoing
from tests.world import FragileStore, World, WorldNode


class RecordingStore(FragileStore):
    """Notes when its pages are cleared and when a document is queued."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    async def scrub(self) -> None:
        self.order.append("scrub")


async def _withdrawn(tmp_path: Path) -> tuple[World, WorldNode, RecordingStore, Eraser]:
    """Bao has heard of a withdrawal of what it held, and has not erased yet."""
    world = await World.make(40, 2, ((0, 1),), make_store=RecordingStore)
    ana, bao = world.nodes
    rid = await world.publish(ana)
    await world.quiet()
    await ana.library.withdraw(LOCAL, rid, "harm")
    await world.session(bao, ana)
    store = bao.core.store
    assert isinstance(store, RecordingStore)
    store.order.clear()

    async def surface(keys: Sequence[str]) -> None:
        assert keys == [f"{ana.id}/{rid}"]
        async with store.read() as tx:
            assert not await tx.count(Outgoing), "a receipt was signed before the surface was cleared"
        store.order.append("surface")

    return world, bao, store, Eraser(bao.core, tmp_path, [surface])


async def test_a_receipt_is_signed_only_after_surfaces_and_pages_are_cleared(tmp_path: Path) -> None:
    world, bao, store, eraser = await _withdrawn(tmp_path)
    ana = world.nodes[0]
    async with store.read() as tx:
        assert not await tx.count(Outgoing)

    assert await eraser.run() == 1

    assert store.order == ["surface", "scrub"]
    async with store.read() as tx:
        (waiting,) = await tx.find(Outgoing)
        assert not await tx.count(Erasure)
    receipt = verify_document(waiting.body, Receipt, {bao.id: bao.history}.get).document
    assert (receipt.aud, [i.state for i in receipt.items]) == (ana.id, ["erased"])


async def test_a_surface_that_fails_leaves_no_receipt_and_is_tried_again(tmp_path: Path) -> None:
    _, bao, store, eraser = await _withdrawn(tmp_path)

    async def broken(_keys: Sequence[str]) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        await Eraser(bao.core, tmp_path, [broken]).run()
    async with store.read() as tx:
        assert not await tx.count(Outgoing)
        assert await tx.count(Erasure) == 1
    assert await eraser.run() == 1


async def test_the_origin_sees_the_receipt_and_asks_no_more(tmp_path: Path) -> None:
    world, bao, _, _ = await _withdrawn(tmp_path)
    ana = world.nodes[0]
    ((_, copy),) = (await ana.copies()).items()
    (before,) = await ana.tracing.withdrawals(LOCAL)
    assert (before.confirmed, before.waiting, before.overdue) == (0, 1, 0)
    world.clock.time += 73 * 3600
    assert (await ana.tracing.withdrawals(LOCAL))[0].overdue == 1

    await bao.tend()
    await world.quiet()

    (after,) = await ana.tracing.withdrawals(LOCAL)
    assert (after.confirmed, after.waiting, after.overdue) == (1, 0, 0)
    assert index_key(copy).endswith(copy.rid)
    (line,) = await ana.tracing.custody(LOCAL, copy.rid)
    assert (line.entry, line.delivered, line.confirmed) == ("withdraw", True, "erased")
