"""Random worlds: after any schedule of changes, faults and restores, holders hold what they may hold (invariant 4)."""

from __future__ import annotations

import pytest

from tests.simulator.schedule import replay

SEEDS = 200
PER_TEST = 10  # a test that fails names its seed; ten a test keeps the list short


@pytest.mark.parametrize("first", range(1, SEEDS + 1, PER_TEST))
async def test_whatever_happens_holders_hold_what_they_may_hold(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        await replay(seed)


async def test_a_seed_replays_exactly() -> None:
    assert await replay(3) == await replay(3)
