"""The command as a process on a real node: made, served, asked while it runs and while it does not, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.connect import is_answered, socket_path
from tests.unit.imports.reading import library_record, write

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
START_S = 60.0


def commonweave(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node.cli", *arguments, "--data", str(data)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a node that was made and does not run."""
    folder = tmp_path / "node"
    made = commonweave("init", "--name", "Here", "--region", "KE", "--port", str(free_port()), "--json", data=folder)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["name"] == "Here"
    return folder


@pytest.fixture
def serving(data: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "node.cli", "serve", "--json", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + START_S
    with socket_path(data) as path:
        while not is_answered(path):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_same_command_works_on_a_stopped_and_on_a_running_node(data: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", library_record(links=[], field_terms={}))
    report = commonweave("import", str(source), "--json", data=data)
    assert json.loads(report.stdout)["added"] == 1, report.stderr
    listed = commonweave("record", "list", "--own", "--json", data=data)
    assert [r["title"] for r in json.loads(listed.stdout)["items"]] == ["El puente"]
    assert json.loads(commonweave("import", str(source), "--json", data=data).stdout)["unchanged"] == 1
    assert not (data / "run.sock").exists()


def test_a_running_node_answers_commands_and_stops_cleanly(data: Path, serving: subprocess.Popen[str]) -> None:
    assert json.loads(commonweave("status", "--json", data=data).stdout)["name"] == "Here"
    assert (data / "run.sock").stat().st_mode & 0o077 == 0
    assert serving.stdout is not None
    announced = "".join(iter(serving.stdout.readline, "}\n")) + "}"
    with urllib.request.urlopen(json.loads(announced)["address"] + "/healthz", timeout=10) as answer:
        assert answer.status == 200
    started = time.monotonic()
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(15) == 0
    assert time.monotonic() - started < 10
    assert not (data / "run.sock").exists()
    assert commonweave("status", data=data).returncode == 0


def test_a_second_process_on_the_same_folder_is_refused(data: Path, serving: subprocess.Popen[str]) -> None:
    second = commonweave("serve", "--port", str(free_port()), data=data)
    assert second.returncode == 7
    assert second.stderr.startswith("commonweave: ")
    assert "Traceback" not in second.stderr
    assert serving.poll() is None
    assert commonweave("status", data=data).returncode == 0


def test_a_port_in_use_is_named_with_the_way_out(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = commonweave("serve", "--port", str(taken.getsockname()[1]), data=data)
    assert result.returncode == 7
    assert "in use" in result.stderr
    assert "--port" in result.stderr


def test_a_killed_node_leaves_a_socket_that_does_no_harm(data: Path, serving: subprocess.Popen[str]) -> None:
    os.kill(serving.pid, signal.SIGKILL)
    serving.wait()
    assert (data / "run.sock").exists()
    assert commonweave("status", data=data).returncode == 0


def test_a_wrong_setting_is_exit_code_7_with_key_and_value(data: Path) -> None:
    file = data / "commonweave.toml"
    file.write_text(file.read_text("utf-8") + '\n[sync]\ninterval_s = "often"\n', "utf-8")
    result = commonweave("status", data=data)
    assert result.returncode == 7
    assert "sync.interval_s" in result.stderr
