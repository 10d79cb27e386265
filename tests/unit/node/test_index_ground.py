"""The index says what the gate says, also where it is not a record that has changed but the day or an agreement."""

from __future__ import annotations

from typing import Final

import pytest

from governance.agreement import Phase
from governance.policy import DAY_S
from governance.policy_text import parse_policy
from node.store.rows import Copy
from search.document import Viewer
from search.query import make_query
from tests.world import OPEN_POLICY, START, Bond, World, WorldNode, set_policy

RULE: Final = """
[[rule]]
id = "by-age"
effect = "withhold"
to = "public"
when.{condition} = 2
reason = "It is shown at another time."
[[rule.example]]
to = "public"
age_days = {age}
"""


async def found(node: WorldNode) -> int:
    """What the public finds, by the engine alone."""
    await node.upkeep.index()
    return node.engine.search(make_query(""), Viewer.PUBLIC, node.core.now()).total


@pytest.mark.parametrize(
    ("condition", "age", "by_day"),
    [("older_than_days", 3, [1, 1, 1, 0, 0]), ("younger_than_days", 0, [0, 0, 1, 1, 1])],
)
async def test_a_record_is_found_from_and_to_the_day_that_a_rule_on_age_says(
    condition: str, age: int, by_day: list[int]
) -> None:
    world = await World.make(1, 1, ())
    ana = world.nodes[0]
    set_policy(ana, parse_policy((OPEN_POLICY + RULE.format(condition=condition, age=age)).encode()))
    await world.publish(ana, audiences=("public",))

    seen = []
    for day in range(5):
        world.clock.time = START + day * DAY_S
        seen.append(await found(ana))

    assert seen == by_day


async def test_of_many_records_only_those_that_come_to_an_age_are_decided_again_on_a_new_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await World.make(2, 1, ())
    ana = world.nodes[0]
    set_policy(ana, parse_policy((OPEN_POLICY + RULE.format(condition="older_than_days", age=3)).encode()))
    for day in range(3):
        world.clock.time = START + day * DAY_S
        for _ in range(day + 1):
            await world.publish(ana, audiences=("public",))
        assert await found(ana) == (day + 1) * (day + 2) // 2
    renewed: list[int] = []
    renew = ana.indexing.renew

    async def counted(ids: list[int]) -> None:
        renewed.extend(ids)
        await renew(ids)

    monkeypatch.setattr(ana.indexing, "renew", counted)

    for days, left in ((3, 5), (3, 5), (5, 0), (4, 3)):  # a clock may also be set back
        world.clock.time = START + days * DAY_S
        assert await found(ana) == left

    assert len(renewed) == 1 + 5 + 3


async def test_the_public_finds_a_received_record_once_its_agreement_lets_it_pass_on() -> None:
    world = await World.make(3, 2, ((0, 1),), Bond(passing_on=False))
    ana, bao = world.nodes
    await world.publish(ana, audiences=("public",))
    await world.quiet()
    assert await found(bao) == 0

    await world.declare(bao, ana, Phase.ACTIVE, Bond(passing_on=True))
    async with bao.store.read() as tx:
        before = [c.change_seq for c in await tx.find(Copy)]
    assert await found(bao) == 1

    async with bao.store.read() as tx:
        assert [c.change_seq for c in await tx.find(Copy)] == before
    await world.declare(bao, ana, Phase.ACTIVE, Bond(passing_on=False))
    assert await found(bao) == 0


async def test_a_node_that_slept_for_months_decides_everything_again() -> None:
    world = await World.make(4, 1, ())
    ana = world.nodes[0]
    set_policy(ana, parse_policy((OPEN_POLICY + RULE.format(condition="older_than_days", age=3)).encode()))
    await world.publish(ana, audiences=("public",))
    assert await found(ana) == 1

    world.clock.time = START + 400 * DAY_S

    assert await found(ana) == 0


async def test_an_index_that_is_ahead_of_a_restored_database_is_made_anew() -> None:
    world = await World.make(5, 1, ())
    ana = world.nodes[0]
    await world.publish(ana, audiences=("public",))
    assert await found(ana) == 1
    backup = ana.store.snapshot()
    for _ in range(9):
        await world.publish(ana, audiences=("public",))
    assert await found(ana) == 10

    ana.store.put_back(backup)  # the index is another file, and is not restored
    await world.publish(ana, audiences=("public",))

    assert await found(ana) == 2
