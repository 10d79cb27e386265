"""A short pass over every target with one seed, and the harness itself: it must see what it is there to see."""

from __future__ import annotations

import random
from typing import Final

import pytest

from tests.fuzz import harness
from tests.fuzz.__main__ import repeat
from tests.fuzz.harness import Broken, Target, campaign, judge, load
from tests.fuzz.targets import TARGETS

INPUTS: Final = 150  # of each target, beside its seeds: all of them in about ten seconds
SEED: Final = 20


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_pass_breaks_no_law(name: str) -> None:
    tally = campaign(TARGETS[name], SEED, lambda so_far: so_far.inputs < INPUTS)
    assert [finding.what for finding in tally.findings.values()] == []
    assert tally.accepted > 0


def bend(rng: random.Random, data: bytes) -> bytes:
    return data + rng.randbytes(1)


def crash(data: bytes) -> None:
    if data[1:2] > b"\x80":
        raise KeyError(data)


def unreadable(data: bytes) -> None:
    if len(data) > 1:
        raise Broken("not the same")


def endless(data: bytes) -> None:
    while len(data) > 1:
        pass


def refused(data: bytes) -> None:
    if len(data) > 1:
        raise ValueError("of course")


def made(run: object, *refusals: type[Exception]) -> Target:
    assert callable(run)
    return Target("made", lambda: [b"x"], bend, run, refusals)


@pytest.mark.parametrize(("run", "what"), [(crash, "KeyError"), (unreadable, "Broken: not the same")])
def test_an_exception_of_no_family_is_found_once_and_made_short(run: object, what: str) -> None:
    tally = campaign(made(run, ValueError), 1, lambda so_far: so_far.inputs < 60)
    (finding,) = tally.findings.values()
    assert what in finding.what
    assert len(finding.data) == 2


def test_what_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, finding = judge(made(endless), b"xy", max_cpu_s=0.05)
    assert (outcome, finding is not None and finding.place) == ("slow", "slow")


def test_a_refusal_of_the_family_is_no_finding() -> None:
    assert judge(made(refused, ValueError), b"xy") == ("ValueError of course", None)
    assert judge(made(refused), b"xy")[1] is not None


def test_a_seed_makes_the_same_inputs_again() -> None:
    def inputs() -> list[bytes]:
        seen: list[bytes] = []
        campaign(Target("made", lambda: [b"x"], bend, seen.append), 7, lambda so_far: so_far.inputs < 40)
        return seen

    assert inputs() == inputs()


def test_a_finding_is_repeated_from_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    monkeypatch.setattr(harness, "FINDINGS", tmp_path)
    monkeypatch.setitem(TARGETS, "made", made(unreadable))
    finding = judge(TARGETS["made"], b"xyz")[1]
    assert finding is not None
    assert f"python -m tests.fuzz made --repeat {finding.file.name}" in finding.told()
    assert load(finding.file) == b"xyz"
    with pytest.raises(Broken):
        repeat("made", finding.file)
    assert "not the same" in capsys.readouterr().out
