"""Rotation of keys: peers follow by themselves, old records stay valid, and a crash leaves the old keys or the new."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.load import load
from federation.keys import SEED_BYTES
from governance.proposal import Rules
from node.app import open_app
from node.errors import NotNow
from node.keyring import Keyring, load_keys
from node.peerbook import read_history, write_history
from node.principal import LOCAL
from node.proposals.acts import KeyRotate
from node.proposals.proposals import Proposals
from node.proposals.wiring import open_proposals
from node.rotating import WAITING, rotated, settle_rotation, stage
from node.setup import init
from node.store.rows import OriginRow
from tests.unit.node.stewarding import agreed
from tests.world import Crash, SeededEntropy, World, WorldNode

FILES = ("identity", "request", "record", "log", "next", "x25519")
FRESH = ("log", "record", "request")


@pytest.fixture
def folder(tmp_path: Path, world: World) -> Path:
    """The key files of the first node, as its keys were drawn."""
    entropy = SeededEntropy(f"{world.seed}/ana")
    for name in FILES:
        (tmp_path / f"{name}.key").write_text(entropy.draw(SEED_BYTES).hex() + "\n")
    assert load_keys(tmp_path, None) == world.nodes[0].core.keys
    return tmp_path


@pytest.fixture
def heard() -> list[Keyring]:
    return []


@pytest.fixture
def asked(ana: WorldNode, folder: Path, heard: list[Keyring]) -> Proposals:
    return open_proposals(ana.core, ana.peers, ana.circles, folder, heard.append, Rules(), {})


async def own_history(node: WorldNode) -> str:
    async with node.core.store.read() as tx:
        row = await tx.get(OriginRow, node.id)
    assert row is not None
    return row.history


def contents(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}


async def test_after_a_rotation_sync_goes_on_and_records_of_before_and_after_hold(
    world: World, ana: WorldNode, bao: WorldNode, asked: Proposals, folder: Path, heard: list[Keyring]
) -> None:
    old = await world.publish(ana, "Before")
    await world.quiet()
    former = contents(folder)
    world.clock.time += 60
    assert (await agreed(asked, KeyRotate(fresh=FRESH), LOCAL)).state == "in-force"
    now = contents(folder)
    assert now["identity.key"] == former["next.key"]
    assert all(now[f"{n}.key"] != former[f"{n}.key"] for n in ("next", *FRESH))
    assert heard == [ana.core.keys]
    assert load_keys(folder, ana.id) == ana.core.keys
    world.clock.time += 60
    new = await world.publish(ana, "After")
    await world.quiet()
    assert {rid for _, rid in await bao.live()} == {old, new}
    assert (await bao.peer(ana)).history == await own_history(ana)
    assert read_history((await bao.peer(ana)).history).rotations == {1}


async def test_a_node_rotates_again_with_the_key_that_the_rotation_before_committed_to(
    world: World, ana: WorldNode, asked: Proposals, folder: Path
) -> None:
    for _ in range(2):
        world.clock.time += 60
        assert (await agreed(asked, KeyRotate(), LOCAL)).state == "in-force"
    assert read_history(await own_history(ana)).rotations == {1, 2}
    assert load_keys(folder, ana.id) == ana.core.keys


async def test_without_the_next_key_or_with_another_nothing_is_rotated(
    ana: WorldNode, asked: Proposals, folder: Path
) -> None:
    before = await own_history(ana)
    (folder / "next.key").write_text("11" * SEED_BYTES)
    with pytest.raises(NotNow, match="not the key that this node committed to"):
        await asked.propose(LOCAL, KeyRotate())
    (folder / "next.key").unlink()
    with pytest.raises(NotNow, match="put it back"):
        await asked.propose(LOCAL, KeyRotate())
    assert await own_history(ana) == before


async def test_a_crash_at_the_commit_leaves_the_old_keys_and_the_waiting_ones_go(
    ana: WorldNode, asked: Proposals, folder: Path, heard: list[Keyring]
) -> None:
    former, keys = contents(folder), ana.core.keys
    view = await asked.propose(LOCAL, KeyRotate(fresh=FRESH))
    ana.store.crash_in = 2
    with pytest.raises(Crash):
        await asked.vote(LOCAL, view.pid, "yes", view.hash)
    assert ana.core.keys is keys
    assert (folder / WAITING).exists()
    settle_rotation(folder, read_history(await own_history(ana)))
    assert not (folder / WAITING).exists()
    assert contents(folder) == former
    assert not heard
    ana.store.crash_in = None
    await asked.tend()
    assert (await asked.show(LOCAL, view.pid)).state == "in-force"
    assert load_keys(folder, ana.id) == ana.core.keys


@pytest.mark.parametrize("moved", range(6))
async def test_a_crash_after_the_commit_is_finished_at_the_next_start(ana: WorldNode, folder: Path, moved: int) -> None:
    history = read_history(await own_history(ana))
    keys = stage(folder, ana.core.keys, history, FRESH, ana.entropy)
    new = rotated(history, keys, FRESH, ana.clock.now())
    waiting = sorted((folder / WAITING).iterdir(), key=lambda p: p.name == "identity.key")
    for path in waiting[:moved]:
        os.replace(path, folder / path.name)
    settle_rotation(folder, new)
    assert load_keys(folder, ana.id) == keys
    settle_rotation(folder, new)
    assert not (folder / WAITING).exists()


async def test_a_key_that_was_half_written_is_thrown_away(ana: WorldNode, folder: Path) -> None:
    history = read_history(await own_history(ana))
    former = contents(folder)
    stage(folder, ana.core.keys, history, (), ana.entropy)
    (folder / WAITING / "identity.key").write_text("12ab")
    settle_rotation(folder, history)
    assert contents(folder) == former
    assert read_history(write_history(history)).head == history.head


async def test_a_real_node_starts_again_with_the_keys_it_rotated_to(tmp_path: Path) -> None:
    await init(tmp_path / "data", name="River House", urls=("http://127.0.0.1:8080",))
    app = await open_app(load(tmp_path / "data", {}))
    try:
        view = await agreed(app.proposals, KeyRotate(fresh=FRESH), LOCAL)
        assert view.state == "in-force"
        assert app.host.signer.key == app.core.keys.request
        node_id, keys = app.core.node_id, app.core.keys
    finally:
        await app.close()
    again = await open_app(load(tmp_path / "data", {}))
    try:
        assert again.core.node_id == node_id
        assert again.core.keys == keys
    finally:
        await again.close()
