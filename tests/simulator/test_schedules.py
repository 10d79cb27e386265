"""Random worlds: after any schedule of changes, faults and restores, holders hold what they may hold (invariant 4)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SEEDS: Final = 200
PER_TEST: Final = 25  # a test that fails names its seed; some a test spare starting Python for each
PATIENCE_S: Final = 600


def _simulate(*arguments: int) -> subprocess.CompletedProcess[str]:
    """As `make simulate` does it, so that what fails here fails there."""
    command = [sys.executable, "-m", "tests.simulator", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, SEEDS + 1, PER_TEST))
def test_whatever_happens_holders_hold_what_they_may_hold(first: int) -> None:
    run = _simulate(first, PER_TEST)

    assert run.returncode == 0, run.stdout + run.stderr


def test_a_seed_replays_exactly() -> None:
    first, second = _simulate(3), _simulate(3)

    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("\n") > 20
    assert first.stdout == second.stdout
