"""The audit log on real processes: peers witness it, and a database that is changed behind its back is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.transcript import verify_export
from tests.e2e.nodes import Node, befriend, nodes, run_cli, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Node]]:
    with nodes(tmp_path, "Alba", "Bahari") as (a, b):
        befriend(a, b)
        yield [a, b]


def grown(node: Node, name: str) -> int:
    """One more thing is done, and has its place in the log; how many entries there are."""
    before = node.get("/audit/checkpoint")["size"]
    node.post("/circles", {"slug": name})
    return int(wait_for(lambda: _more(node, before), f"the log of {node.name} grows"))


def _more(node: Node, before: int) -> int:
    size = int(node.get("/audit/checkpoint")["size"])
    return size if size > before else 0


def seen(at: Node, of: Node) -> dict[str, Any]:
    return next((dict(v) for v in at.get("/audit/witnessed") if v["node_id"] == of.node_id), {})


def witnessed(a: Node, b: Node) -> None:
    """B has witnessed A's log as it is, and A has B's cosignature on it."""
    size = grown(a, "first")
    a.sync(b)
    wait_for(lambda: seen(b, a).get("size", 0) >= size, "B has witnessed A's log")
    a.sync(b)
    assert [w["name"] for w in a.get("/audit/checkpoint")["witnesses"]] == ["Bahari"]


def test_a_witnessed_log_is_checked_by_an_outsider_with_nothing_but_the_export(
    pair: list[Node], tmp_path: Path
) -> None:
    a, b = pair
    witnessed(a, b)
    file, proof = tmp_path / "log.jsonl", tmp_path / "proof.json"
    assert a.cli("audit", "export", str(file)).returncode == 0
    proof.write_text(a.cli("audit", "prove", "0").stdout)
    for node in pair:
        node.stop()
    for made in (file, proof):
        done = run_cli("audit", "verify", str(made), "--json", "--data", str(tmp_path / "nowhere"))
        found = json.loads(done.stdout)
        assert (done.returncode, found["ok"], found["witnesses"][0]["node_id"]) == (0, True, b.node_id)
    lines = file.read_text().splitlines(keepends=True)
    word = json.loads(lines[3])
    lines[3] = json.dumps(word | {"action": "nothing.done"}) + "\n"
    file.write_text("".join(lines))
    done = run_cli("audit", "verify", str(file), "--json")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)
    assert json.loads(done.stdout)["problems"][0].startswith(f"entry {word['n']} ")


def change_a_leaf(node: Node) -> None:
    node.sql("UPDATE audit SET leaf = zeroblob(32), detail = 'nothing of the kind' WHERE n = 2")


def delete_a_row(node: Node) -> None:
    node.sql("DELETE FROM audit WHERE n = 2")


@pytest.mark.parametrize("tamper", [change_a_leaf, delete_a_row])
def test_a_database_changed_behind_the_log_alarms_the_peer(pair: list[Node], tamper: Callable[[Node], None]) -> None:
    a, b = pair
    witnessed(a, b)
    with a.stopped():
        tamper(a)
    grown(a, "second")
    a.sync(b)
    assert seen(b, a)["alarm"].startswith("rewritten")
    assert b.peer(a)["log_alarm"].startswith("rewritten")
    assert any(not c["ok"] and "rewritten" in c["detail"] for c in b.get("/doctor"))
    assert any(e["action"] == "log.alarm" for e in b.get("/audit")["items"])
    checked = a.cli("audit", "verify")
    assert checked.returncode == 1
    assert "entry 2 is" in " ".join(checked.stdout.split())
    assert (
        not verify_export(a.raw("POST", "/audit/export", b"{}").decode().splitlines()).problems[0].startswith("there")
    )


def test_a_node_restored_from_an_older_backup_goes_on_once_the_peer_accepts(pair: list[Node]) -> None:
    a, b = pair
    witnessed(a, b)
    with a.stopped():
        kept = {p.name: p.read_bytes() for p in a.data.glob("commonweave.sqlite3*")}
    size = grown(a, "second")
    grown(a, "third")
    a.sync(b)
    wait_for(lambda: seen(b, a)["size"] > size, "B has witnessed more")
    with a.stopped():
        for path in a.data.glob("commonweave.sqlite3*"):
            path.unlink()
        for name, data in kept.items():
            (a.data / name).write_bytes(data)
    grown(a, "again")
    a.sync(b)
    assert seen(b, a)["alarm"].startswith("shorter than witnessed")
    assert b.cli("audit", "accept", "Alba", "--reason", "their disk was lost", "--yes").returncode == 0
    b.sync(a)  # who has accepted looks at once; the other would show its log within the hour
    grown(a, "fourth")
    wait_for(lambda: a.sync(b) and seen(b, a)["size"] == a.get("/audit/checkpoint")["size"], "B follows A again")
    assert seen(b, a)["alarm"] == ""


def test_a_text_that_was_erased_is_not_on_the_disk_any_more_and_everything_still_verifies(pair: list[Node]) -> None:
    a, b = pair
    a.post("/circles", {"slug": "rosa-maria-quispe"})
    witnessed(a, b)
    entries = [e["n"] for e in a.get("/audit")["items"] if "rosa-maria" in e["subject"]]
    assert entries
    for entry in entries:
        assert a.cli("audit", "erase", str(entry), "--yes").returncode == 0
    assert a.cli("audit", "verify").returncode == 0
    assert not any("rosa-maria" in json.dumps(e) for e in a.get("/audit", limit=200)["items"])
    grown(a, "later")
    a.sync(b)
    assert seen(b, a)["alarm"] == ""


def test_a_killed_node_gives_every_entry_its_place(pair: list[Node]) -> None:
    a, _ = pair
    for number in range(4):
        a.post("/circles", {"slug": f"c{number}"})
        a.kill()
        a.start()
    wait_for(lambda: all(e["n"] is not None for e in a.get("/audit", limit=200)["items"]), "every entry has its place")
    made = [e["subject"] for e in a.get("/audit", limit=200)["items"] if e["action"] == "circle.roster"]
    assert [s.rpartition(".")[2] for s in reversed(made)] == [f"c{n}" for n in range(4)]
    assert a.get("/audit/verify")["ok"]
