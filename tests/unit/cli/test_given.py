"""What people give in odd places and forms: shared options before the command, names with slashes, broken sources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.cli.client import segment
from node.cli.importing import stream
from node.errors import BadInput
from node.imports import Outcome, SourceError
from node.views import ImportLine, ImportView


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a node that does not run."""
    folder = tmp_path_factory.mktemp("given") / "node"
    made = run("init", "--data", str(folder), "--name", "Here", "--json")
    assert made.exit_code == 0, made.output
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("--data", "HERE", "--json", "policy", "show"),
        ("policy", "--data", "HERE", "--json", "show"),
        ("policy", "show", "--data", "HERE", "--json"),
        ("--data", "HERE", "policy", "--json", "show"),
        ("--data", "ELSEWHERE", "--json", "policy", "show", "--data", "HERE"),
        ("--data", "ELSEWHERE", "policy", "--data", "HERE", "show", "--json"),
    ],
)
def test_shared_options_stand_before_or_after_the_command(
    data: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    places = {"HERE": str(data), "ELSEWHERE": str(tmp_path / "none")}
    result = run(*(places.get(a, a) for a in arguments))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["problem"] == ""


def test_options_of_one_run_are_forgotten_in_the_next(data: Path) -> None:
    assert run("--json", "--data", str(data), "policy", "show").stdout.startswith("{")
    assert not run("--data", str(data), "policy", "show").stdout.startswith("{")


@pytest.mark.parametrize("name", ["a/b", "a?b#c", "%2F", "الساحل", "a b"])
def test_a_name_with_any_letter_is_one_part_of_a_path(data: Path, name: str) -> None:
    assert "/" not in segment(name)
    result = run("peer", "show", name, "--data", str(data))
    assert result.exit_code == 3
    assert f"no peer {name!r}" in result.stderr


@pytest.mark.parametrize("name", ["", " ", ".", ".."])
def test_a_name_that_names_nothing_is_refused(data: Path, name: str) -> None:
    with pytest.raises(BadInput):
        segment(name)
    assert run("record", "show", name, "--data", str(data)).exit_code == 2


class Taking:
    """Stands for a node that takes every line."""

    def lines(self, model: Any, path: str, sent: Iterator[bytes], **params: Any) -> Iterator[ImportView]:
        del model, path, params
        count = len(list(sent))
        yield ImportView(read=count, added=count, changed=0, unchanged=0, refused=0, problems=[])


def test_a_source_that_breaks_off_is_told_after_what_was_read_has_been_taken() -> None:
    def outcomes() -> Iterator[Outcome]:
        yield ImportLine(line=1, source_id="a", problem="x")
        raise SourceError("x.gz is cut short")

    taken: list[ImportView] = []
    node: Any = Taking()
    with pytest.raises(SourceError, match="cut short"):
        taken.extend(stream(node, outcomes(), "x"))
    assert [v.read for v in taken] == [1]


def test_a_file_that_is_no_source_is_named_and_nothing_is_imported(data: Path, tmp_path: Path) -> None:
    source = tmp_path / "server.log"
    source.write_text("2026-01-01 started\n2026-01-02 stopped\n")
    result = run("import", str(source), "--data", str(data))
    assert result.exit_code == 2
    assert "stopped answering" not in result.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--name", ""), "name"),
        (("--name", "Y", "--language", "xx-broken_tag"), "xx-broken_tag"),
        (("--name", "Y", "--region", "kenya"), "kenya"),
        (("--name", "Y", "--url", "not-a-url"), "not-a-url"),
        (("--name", "Y", "--policy", "nothere"), "nothere"),
    ],
)
def test_what_a_node_cannot_be_made_of_is_named_and_leaves_nothing(
    tmp_path: Path, wrong: tuple[str, ...], said: str
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "note.txt").write_text("mine")
    for folder in (tmp_path / "new", there):
        result = run("init", "--data", str(folder), *wrong)
        assert result.exit_code in (2, 7), result.output
        assert said in result.stderr
        assert "pydantic" not in result.stderr
        assert "mistake in the program" not in result.stderr
    assert [p.name for p in tmp_path.rglob("*")] == ["there", "note.txt"]
