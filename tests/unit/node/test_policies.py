"""The policy file: replaced whole; a broken one shares nothing new and takes nothing back."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.gate import NoPolicy
from node.policies import Policies
from tests.world import OPEN_POLICY, SHUT_POLICY, World, WorldNode, set_policy


def write(file: Path, text: str) -> None:
    """As a steward's editor does it."""
    file.write_text(text)


def remove(file: Path) -> None:
    """As a mistake does it."""
    file.unlink()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(OPEN_POLICY)
    return path


async def test_a_changed_file_takes_back_what_it_no_longer_permits(
    world: World, ana: WorldNode, bao: WorldNode, file: Path
) -> None:
    policies = Policies(ana.core, file)
    await world.publish(ana)
    await policies.refresh()
    await world.quiet()
    assert await bao.live()
    write(file, SHUT_POLICY)
    assert await policies.refresh()
    await world.quiet()
    assert not await bao.live()


@pytest.mark.parametrize("broken", ["", "name = ", "\x00", 'name = "x"\n[[rule]]\nid = "a"\neffect = "shred"'])
async def test_a_broken_file_shares_nothing_new_and_takes_nothing_back(
    world: World, ana: WorldNode, bao: WorldNode, file: Path, broken: str
) -> None:
    policies = Policies(ana.core, file)
    await policies.refresh()
    first = await world.publish(ana, "Before")
    await world.quiet()
    write(file, broken)
    await policies.refresh()
    second = await world.publish(ana, "While broken")
    await world.session(bao, ana)
    await world.session(ana, bao)
    assert [rid for _, rid in await bao.live()] == [first]
    assert ana.core.policy_problem

    write(file, OPEN_POLICY)
    await policies.refresh()
    assert not ana.core.policy_problem
    await world.quiet()
    assert {rid for _, rid in await bao.live()} == {first, second}


async def test_after_a_restart_with_a_broken_file_the_last_good_policy_decides(ana: WorldNode, file: Path) -> None:
    await Policies(ana.core, file).refresh()
    set_policy(ana, NoPolicy())
    assert await Policies(ana.core, file).refresh()
    good = ana.core.policy.version
    remove(file)
    set_policy(ana, NoPolicy())
    await Policies(ana.core, file).refresh()
    assert ana.core.policy.version == good
    assert "cannot be read" in ana.core.policy_problem


async def test_a_file_that_did_not_change_is_no_change(ana: WorldNode, file: Path) -> None:
    policies = Policies(ana.core, file)
    await policies.refresh()
    assert not await policies.refresh()
