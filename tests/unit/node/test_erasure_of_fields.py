"""A smaller copy is confirmed as `held` only once the lost fields are gone from disk (invariant 10)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.erasure import Eraser
from node.principal import LOCAL
from node.store.rows import Erasure
from tests.world import World, WorldNode, terms


async def _nothing(_keys: Sequence[str]) -> None:
    return None


async def _confirmed(ana: WorldNode, rid: str) -> str | None:
    (line,) = await ana.tracing.custody(LOCAL, rid)
    return line.confirmed


async def _narrowed(seed: int) -> tuple[World, WorldNode, WorldNode, str]:
    """Bao has taken the smaller copy of a record that it held whole, and its disk has not been cleared."""
    world = await World.make(seed, 2, ((0, 1),))
    ana, bao = world.nodes
    rid, other = await world.publish(ana), await world.publish(ana)
    await world.quiet()
    assert await _confirmed(ana, rid) == await _confirmed(ana, other) == "held"
    for narrowed in (rid, other):
        await ana.library.narrow(LOCAL, narrowed, terms("node"), ["summary"])
    await world.session(bao, ana)
    assert "summary" not in (await bao.live())[ana.id, rid].texts
    return world, ana, bao, rid


async def test_a_narrowing_is_not_confirmed_before_the_field_is_cleared(tmp_path: Path) -> None:
    world, ana, bao, rid = await _narrowed(71)
    await world.session(bao, ana)
    assert await _confirmed(ana, rid) is None
    assert await Eraser(bao.core, tmp_path, [_nothing]).run() == 2
    await world.session(bao, ana)
    assert await _confirmed(ana, rid) == "held"


async def test_a_copy_that_is_offered_again_meanwhile_is_not_confirmed_either(tmp_path: Path) -> None:
    world, ana, bao, rid = await _narrowed(72)
    copy = (await bao.copies())[ana.id, rid].copy_id
    assert copy is not None
    async with ana.store.write() as tx:
        await ana.sharing.requeue(tx, (await ana.peer(bao)).id, [copy])
    await world.session(bao, ana)
    assert await _confirmed(ana, rid) is None
    await Eraser(bao.core, tmp_path, [_nothing]).run()
    await world.session(bao, ana)
    assert await _confirmed(ana, rid) == "held"


async def test_of_two_narrowings_of_one_copy_the_last_to_be_cleared_confirms(tmp_path: Path) -> None:
    world, ana, bao, rid = await _narrowed(73)

    async def narrowed_again(_keys: Sequence[str]) -> None:
        async with bao.store.read() as tx:
            if await tx.count(Erasure) == 2:
                await ana.library.narrow(LOCAL, rid, terms("node"), ["body"])
                await world.session(bao, ana)

    rounds: list[str | None] = []

    async def look(_keys: Sequence[str]) -> None:
        await world.session(bao, ana)
        rounds.append(await _confirmed(ana, rid))

    assert await Eraser(bao.core, tmp_path, [narrowed_again, look]).run() == 3
    assert rounds == [None, None], "the first clearing left a field of the second"
    await world.session(bao, ana)
    assert await _confirmed(ana, rid) == "held"


async def test_a_record_that_came_back_before_its_erasure_was_carried_out_is_confirmed_as_held(tmp_path: Path) -> None:
    world, ana, bao, rid = await _narrowed(74)
    await Eraser(bao.core, tmp_path, [_nothing]).run()
    draft = await ana.library.draft(LOCAL, rid)
    await ana.library.narrow(LOCAL, rid, terms("node"))
    await world.session(bao, ana)
    assert (ana.id, rid) not in await bao.live()
    await ana.library.edit(LOCAL, rid, draft)
    await world.session(bao, ana)
    assert (ana.id, rid) in await bao.live()
    await Eraser(bao.core, tmp_path, [_nothing]).run()
    await world.session(bao, ana)
    assert await _confirmed(ana, rid) == "held"
