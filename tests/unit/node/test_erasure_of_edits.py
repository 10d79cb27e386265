"""Words that an edit replaces go from the disk of whoever keeps no history of them, after a rest or in company."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from node.erasure import REST_S, Eraser
from node.principal import LOCAL
from node.store.rows import Erasure
from tests.world import START, World, WorldNode


class Surface:
    """Stands for the search index: which keys it was told to forget."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def forget(self, keys: Sequence[str]) -> None:
        self.keys += keys


async def _edited(seed: int, at: int = START, **changed: object) -> tuple[World, WorldNode, WorldNode, str]:
    """Bao has taken an edit of a record that it held."""
    world = await World.make(seed, 2, ((0, 1),))
    ana, bao = world.nodes
    rid = await world.publish(ana)
    await world.quiet()
    world.clock.time = at
    draft = await ana.library.draft(LOCAL, rid)
    fields = {n: v for n, v in {**draft.fields, **changed}.items() if v is not None}
    await ana.library.edit(LOCAL, rid, draft.model_copy(update={"fields": fields}))
    await world.session(bao, ana)
    return world, ana, bao, rid


async def _waiting(node: WorldNode) -> int:
    async with node.store.read() as tx:
        return await tx.count(Erasure)


async def test_replaced_words_are_cleared_at_a_holder_after_a_rest(tmp_path: Path) -> None:
    world, ana, bao, rid = await _edited(81, body="Other words")
    surface = Surface()
    eraser = Eraser(bao.core, tmp_path, [surface.forget])

    assert await eraser.run() == 0
    world.clock.time = START + REST_S
    assert await eraser.run() == 1

    assert surface.keys == [f"{ana.id}/{rid}"]
    assert await _waiting(bao) == await _waiting(ana) == 0


async def test_they_do_not_wait_longer_because_the_clock_is_set_back(tmp_path: Path) -> None:
    world, _, bao, _ = await _edited(82, at=START + 400 * 86_400, body="Other words")
    world.clock.time = START
    assert await Eraser(bao.core, tmp_path, []).run() == 1


async def test_they_go_with_the_next_thing_that_is_erased(tmp_path: Path) -> None:
    world, ana, bao, rid = await _edited(83, body="Other words")
    other = await world.publish(ana)
    await world.session(bao, ana)
    await ana.library.withdraw(LOCAL, other, "harm")
    await world.session(bao, ana)
    surface = Surface()

    assert await Eraser(bao.core, tmp_path, [surface.forget]).run() == 2

    assert set(surface.keys) == {f"{ana.id}/{rid}", f"{ana.id}/{other}"}


async def test_an_edit_is_confirmed_without_waiting_for_that() -> None:
    world, ana, bao, rid = await _edited(84, body="Other words")
    await world.session(bao, ana)
    (line,) = await ana.tracing.custody(LOCAL, rid)
    assert line.confirmed == "held"
    assert await _waiting(bao) == 1


async def test_an_edit_that_adds_only_replaces_no_words() -> None:
    _, ana, bao, _ = await _edited(85, topics=["water"])
    assert await _waiting(bao) == await _waiting(ana) == 0


@pytest.mark.parametrize(("body", "waits"), [(None, 1), ("Other words", 0)])
async def test_the_origin_clears_what_its_history_does_not_keep(body: str | None, waits: int) -> None:
    _, ana, _, _ = await _edited(86, body=body)
    assert await _waiting(ana) == waits
