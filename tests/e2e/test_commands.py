"""The command line at a running and at a stopped node, and everything that keeps a node from starting."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from config.load import FILE_NAME
from tests.e2e.nodes import Node, nodes, run_cli, wait_for

pytestmark = pytest.mark.e2e
START_ERROR: Final = 7
NOT_FOUND: Final = 3
PAGE_BYTES: Final = 4096


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A running node with a few records."""
    with nodes(tmp_path_factory.mktemp("commands"), "Amana") as (made,):
        made.publish("Floods and bridges", fields={"topics": ["rivers"]})
        wait_for(lambda: made.get("/search", q="floods")["hits"], "the record is indexed")
        yield made


@pytest.fixture
def copy(node: Node, tmp_path: Path) -> Path:
    """The data folder of a node that does not run, to be spoilt."""
    with node.stopped():
        target = shutil.copytree(node.data, tmp_path / "data")
    return Path(target)


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("commonweave: ")
    for word in words:
        assert word in done.stderr


def test_commands_say_the_same_whether_the_node_runs_or_not(node: Node) -> None:
    rid = node.get("/search", q="floods")["hits"][0]["rid"]
    asked = [
        ("record", "list"),
        ("record", "show", rid[:13]),
        ("search", "floods"),
        ("explain", rid, "--to", "public"),
        ("peer", "list"),
        ("custody", rid),
    ]
    running = [_json(node.cli(*words, "--json")) for words in asked]
    with node.stopped():
        resting = [_json(node.cli(*words, "--json")) for words in asked]
    for words, one, two in zip(asked, running, resting, strict=True):
        for answer in (one, two):
            if isinstance(answer, dict):
                answer.pop("took_ms", None)
                answer.pop("at", None)
        assert one == two, words


def test_a_mistake_has_the_same_exit_code_whether_the_node_runs_or_not(node: Node) -> None:
    wrong = [(("record", "show", "0" * 32), NOT_FOUND), (("peer", "show", "nobody"), NOT_FOUND)]
    for words, code in wrong:
        _refused(node.cli(*words), code)
    with node.stopped():
        for words, code in wrong:
            _refused(node.cli(*words), code)


def test_a_record_written_at_a_stopped_node_is_there_when_it_runs(node: Node, tmp_path: Path) -> None:
    item = {"source_id": "s1", "kind": "story", "language": "en", "title": "Written at rest", "sections": {}}
    (tmp_path / "one.jsonl").write_text(json.dumps(item) + "\n")
    with node.stopped():
        assert _json(node.cli("import", str(tmp_path / "one.jsonl"), "--json"))["added"] == 1
    wait_for(lambda: node.get("/search", q="written")["total"] == 1, "it is found")


def test_a_second_process_on_a_data_folder_is_turned_away(node: Node) -> None:
    _refused(run_cli("serve", "--data", str(node.data), "--port", "0"), START_ERROR, "another process", str(node.data))
    assert node.public("GET", "/readyz")[0] == 200


def test_a_port_in_use_is_named_and_the_folder_is_left_alone(node: Node, copy: Path) -> None:
    before = (copy / "commonweave.sqlite3").read_bytes()
    done = run_cli("serve", "--data", str(copy), "--port", str(node.port))
    _refused(done, START_ERROR, str(node.port), "in use")
    assert (copy / "commonweave.sqlite3").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[server]\nhost", "[server]\nhots", ("server.hots", "server.host", "line")),
        ('name = "Amana"', "name = 7", ("node.name", "7")),
        ('path = "trusted-partners"', 'path = "no-such-policy"', ("policy.path", "no-such-policy")),
        ("[policy]", "[policy", ("not TOML", "line")),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(copy: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    settings = copy / FILE_NAME
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new))
    _refused(run_cli("serve", "--data", str(copy)), START_ERROR, *words)
    _refused(run_cli("status", "--data", str(copy)), START_ERROR, *words)


def test_a_folder_without_a_node_says_how_to_make_one(tmp_path: Path) -> None:
    _refused(run_cli("status", "--data", str(tmp_path)), START_ERROR, "commonweave init")
    _refused(run_cli("serve", "--data", str(tmp_path)), START_ERROR, "commonweave init")


def test_a_damaged_index_is_made_again_by_itself(copy: Path) -> None:
    spoilt = [p for p in (copy / "index").rglob("*") if p.is_file() and p.stat().st_size]
    assert spoilt
    for path in spoilt:
        path.write_bytes(b"\x00garbage" * 20)
    found = _json(run_cli("search", "floods", "--json", "--data", str(copy)))
    assert found["total"] == 1


def test_a_lost_index_is_made_again_by_itself(copy: Path) -> None:
    shutil.rmtree(copy / "index")
    found = _json(run_cli("search", "floods", "--json", "--data", str(copy)))
    assert found["total"] == 1


def test_a_damaged_database_stops_the_start_with_the_way_out(copy: Path) -> None:
    path = copy / "commonweave.sqlite3"
    data = bytearray(path.read_bytes())
    for start in range(2 * PAGE_BYTES, len(data), 2 * PAGE_BYTES):
        data[start : start + 512] = b"\xa5" * 512
    path.write_bytes(data)
    _refused(run_cli("serve", "--data", str(copy), "--port", "0"), START_ERROR, "damaged", "backup")
    path.write_bytes(data[: len(data) - 1000])
    _refused(run_cli("status", "--data", str(copy)), START_ERROR, "cut short", "backup")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_data_folder_is_named(copy: Path) -> None:
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = run_cli("serve", "--data", str(copy), "--port", "0")
    finally:
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755)
    _refused(done, START_ERROR, str(copy), "cannot be written")


def test_a_taken_back_record_needs_a_yes_where_nobody_can_answer(node: Node) -> None:
    rid = node.publish("Not so fast")
    _refused(node.cli("record", "withdraw", rid, "--reason", "error"), 4, "--yes")
    assert node.show(rid)
    assert _json(node.cli("record", "withdraw", rid, "--reason", "error", "--yes", "--json"))["rid"] == rid
    assert node.show(rid) is None


def test_init_leaves_nothing_behind_where_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "new"
    done = run_cli("init", "--data", str(target), "--name", "Amana", "--region", "not a region")
    _refused(done, START_ERROR, "regions")
    assert not target.exists()
    made = _json(run_cli("init", "--data", str(target), "--name", "Amana", "--region", "KE", "--json"))
    assert made["node_id"].startswith("did:key:z6Mk")
    assert (target / "keys").stat().st_mode & 0o077 == 0
    _refused(run_cli("init", "--data", str(target), "--name", "Again"), START_ERROR, "already")
