"""House rules that a program can judge (CONTRIBUTING.md): a rule in prose only would rot."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Final

from tests.unit.tracked import ROOT, project_files, text_of

MAX_LINES: Final = 500  # what one can still hold in mind; longer files have two subjects
MAX_TEST_LINES: Final = 700  # a harness or a set of fakes is a list of alike things
CODE: Final = (".py", ".js", ".mjs", ".css", ".html", ".sh")
OURS: Final = ("governance", "federation", "search", "node", "config")
# Put together from parts, so that this file keeps the rules itself.
_HOSTS: Final = (
    ("py" + "pi", "org"),
    ("python" + "hosted", "org"),
    ("registry", "npm" + "js"),
    ("deb", "debian", "org"),
    ("proxy", "golang"),
)
_PLACES: Final = ("work", "root", r"home/\w+")
_FOREIGN: Final = re.compile(
    "|".join([*(r"\.".join(host) for host in _HOSTS), *(rf"(?<![\w.-])/{place}/" for place in _PLACES)])
)
_MARK: Final = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")
_MAKE: Final = re.compile(r"(?:^|`|\$ |&& )make ([a-z][a-z-]*)", re.MULTILINE)


def _found(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {found[0]}"
        for file in files
        for number, line in enumerate((text_of(file) or "").splitlines(), 1)
        if (found := pattern.search(line))
    ]


def test_no_file_names_a_package_registry_or_a_place_on_somebodys_machine() -> None:
    assert _found(_FOREIGN, project_files()) == []


def test_nothing_is_left_for_later_by_a_mark_in_the_code() -> None:
    assert _found(_MARK, project_files(*CODE, ".md", ".toml", "Makefile", "Dockerfile")) == []


def test_no_file_of_code_is_too_long_to_hold_in_mind() -> None:
    lengths = {file: len((text_of(file) or "").splitlines()) for file in project_files(*CODE)}
    allowed = {f: MAX_TEST_LINES if f.is_relative_to(ROOT / "tests") else MAX_LINES for f in lengths}
    long = {f: n for f, n in lengths.items() if n > allowed[f]}
    assert [f"{f.relative_to(ROOT)}: {n} lines" for f, n in long.items()] == []


def test_every_module_and_package_says_what_it_is() -> None:
    silent = []
    for file in project_files(".py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        ours = file.relative_to(ROOT).parts[0] in OURS  # the packages of tests may be plain folders
        if (tree.body or ours) and not ast.get_docstring(tree):
            silent.append(str(file.relative_to(ROOT)))
    assert silent == []


def test_no_name_says_that_its_author_had_no_name_for_it() -> None:
    vague = {"util", "utils", "helper", "helpers", "manager", "misc", "common"}
    assert [str(f.relative_to(ROOT)) for f in project_files(".py") if vague & {f.stem, f.parent.name}] == []


def test_make_knows_every_target_that_is_written_about() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^  ([a-z]+) +\S", shown, re.MULTILINE))
    assert {"demo", "test", "check", "bench", "help"} <= known
    for page in project_files(".md"):
        told = set(_MAKE.findall(page.read_text(encoding="utf-8")))
        assert told <= known, f"{page.relative_to(ROOT)} tells of make {', '.join(sorted(told - known))}"


def test_a_plain_make_only_says_what_there_is() -> None:
    plain = subprocess.run(["make", "-s", "-n"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = subprocess.run(["make", "-s", "-n", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert plain == named
