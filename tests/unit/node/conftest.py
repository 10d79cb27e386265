"""A node by itself, and two that have met."""

from __future__ import annotations

import pytest

from tests.unit.node.met import Two, met
from tests.world import World, WorldNode


@pytest.fixture
async def world() -> World:
    return await World.make(77, 2, ((0, 1),))


@pytest.fixture
def ana(world: World) -> WorldNode:
    return world.nodes[0]


@pytest.fixture
def bao(world: World) -> WorldNode:
    return world.nodes[1]


@pytest.fixture
def two(world: World) -> Two:
    """The same two, with lines for notices and agreements."""
    return met(world)
