"""docs/dependencies.md, pyproject.toml and the two lock files tell the same."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

import pytest

from tests.unit.tracked import ROOT

PAGE: Final = ROOT / "docs" / "dependencies.md"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_ROW: Final = re.compile(r"^\| `([a-z0-9-]+)` \|(.*)\|$", re.MULTILINE)
_PINNED: Final = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def _declared(part: str) -> set[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if part == "run" else project["optional-dependencies"]["dev"]
    return {found[0].lower() for line in wanted if (found := _NAME.match(line))}


def _described(part: str) -> dict[str, str]:
    run, _, dev = PAGE.read_text(encoding="utf-8").partition("## To build and test")
    return dict(_ROW.findall(run if part == "run" else dev))


def _pinned(lock: str) -> dict[str, str]:
    return dict(_PINNED.findall((ROOT / lock).read_text(encoding="utf-8")))


@pytest.mark.parametrize("part", ["run", "dev"])
def test_every_dependency_has_its_line_and_no_line_outlives_its_dependency(part: str) -> None:
    assert set(_described(part)) == _declared(part)


@pytest.mark.parametrize("part", ["run", "dev"])
def test_each_line_says_why_under_which_licence_and_how_it_is_doing(part: str) -> None:
    for name, row in _described(part).items():
        cells = [cell.strip() for cell in row.split("|")]
        assert len(cells) == 3, name
        assert all(cells), name


@pytest.mark.parametrize("part", ["run", "dev"])
def test_the_release_that_is_described_is_the_one_that_is_locked(part: str) -> None:
    locked = _pinned("requirements-dev.lock")
    for name, row in _described(part).items():
        told = row.rpartition("|")[2].split()[0].rstrip(",;")
        assert f"{locked[name]}.".startswith(f"{told}."), name


def test_the_locks_hold_what_is_declared_and_agree() -> None:
    run, dev = _pinned("requirements.lock"), _pinned("requirements-dev.lock")
    assert _declared("run") | {"setuptools"} <= set(run)
    assert _declared("run") | _declared("dev") <= set(dev)
    assert {name: dev.get(name) for name in run} == run


def test_every_pin_has_a_hash_and_no_lock_names_where_it_came_from() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(pins) == len(_pinned(lock))
        assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
        assert "://" not in text
