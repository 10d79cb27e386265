"""A changed policy file is a wish: in force at once where one steward is enough, else a proposal."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.gate import NoPolicy
from governance.policy_text import parse_policy
from node.policies import BY_FILE, Policies
from node.store.governing import PolicyRow
from node.store.rows import Meta
from tests.unit.node.stewarding import accounts, agreed, noted
from tests.unit.node.test_proposals import SHUT
from tests.world import CAREFUL_POLICY, OPEN_POLICY, SHUT_POLICY, World, WorldNode, set_policy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(OPEN_POLICY)
    return path


def write(file: Path, text: str) -> None:
    file.write_text(text)


def follow(node: WorldNode, file: Path) -> Policies:
    return Policies(node.core, file, node.proposals.from_node)


async def test_with_one_steward_a_changed_file_is_in_force_at_once(ana: WorldNode, file: Path) -> None:
    await accounts(ana, "amal")
    policies = follow(ana, file)
    await policies.refresh()
    write(file, SHUT_POLICY)
    assert await policies.refresh()
    assert (await noted(ana, "policy.in-force"))[-1].detail == "one steward"
    assert await ana.proposals.list((await accounts(ana, "amal"))[0]) == []


async def test_with_two_stewards_a_changed_file_becomes_a_proposal_and_only_that(
    world: World, ana: WorldNode, bao: WorldNode, file: Path
) -> None:
    team = await accounts(ana, "amal", "bela")
    policies = follow(ana, file)
    await policies.refresh()
    await world.publish(ana)
    write(file, SHUT_POLICY)
    assert not await policies.refresh()
    assert not await policies.refresh()
    await world.quiet()
    assert await bao.live()
    (line,) = await ana.proposals.list(team[0], "open")
    assert (line.kind, line.by) == ("policy.change", BY_FILE)
    view = await ana.proposals.show(team[0], line.pid)
    for one in team:
        await ana.proposals.vote(one, line.pid, "yes", view.hash)
    await world.quiet()
    assert not await bao.live()


async def test_a_newer_change_of_the_file_takes_the_place_of_the_proposal_before(ana: WorldNode, file: Path) -> None:
    team = await accounts(ana, "amal", "bela")
    policies = follow(ana, file)
    await policies.refresh()
    for text in (SHUT_POLICY, CAREFUL_POLICY):
        write(file, text)
        await policies.refresh()
    assert sorted(p.state for p in await ana.proposals.list(team[0])) == ["open", "withdrawn"]


async def test_after_a_restart_what_was_decided_is_in_force_and_not_the_file(ana: WorldNode, file: Path) -> None:
    team = await accounts(ana, "amal", "bela")
    await follow(ana, file).refresh()
    await agreed(ana.proposals, SHUT, *team)
    set_policy(ana, NoPolicy())
    await follow(ana, file).refresh()
    assert ana.core.policy.version == parse_policy(SHUT_POLICY.encode()).version
    assert len(await ana.proposals.list(team[0])) == 1
    write(file, CAREFUL_POLICY)
    set_policy(ana, NoPolicy())
    await follow(ana, file).refresh()
    assert ana.core.policy.version == parse_policy(SHUT_POLICY.encode()).version
    assert len(await ana.proposals.list(team[0], "open")) == 1


async def test_with_two_stewards_a_broken_file_stops_nothing(
    world: World, ana: WorldNode, bao: WorldNode, file: Path
) -> None:
    await accounts(ana, "amal", "bela")
    policies = follow(ana, file)
    await policies.refresh()
    write(file, "name =")
    await policies.refresh()
    await world.publish(ana)
    await world.quiet()
    assert await bao.live()


async def test_a_database_of_before_proposals_keeps_its_policy(ana: WorldNode, file: Path) -> None:
    write(file, SHUT_POLICY)
    async with ana.core.store.write() as tx:
        await tx.put(Meta("policy.text", SHUT_POLICY))
    set_policy(ana, NoPolicy())
    await follow(ana, file).refresh()
    assert ana.core.policy.version == parse_policy(SHUT_POLICY.encode()).version
    assert not await noted(ana, "policy.in-force")
    async with ana.core.store.read() as tx:
        assert [p.name for p in await tx.find(PolicyRow)] == ["shut"]
