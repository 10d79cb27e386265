"""Reads the vector files and the histories they refer to, as another implementation would."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from federation.identity import KeyHistory, verify_history

VECTORS: Final = Path(__file__).parents[2] / "vectors"
SHARED: Final = Path(__file__).parents[4] / "shared" / "vectors"


def load(path: Path) -> dict[str, Any]:
    """One vector file."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def files(folder: str) -> list[Any]:
    """Test parameters for a folder, named by file."""
    return [pytest.param(path, id=path.stem) for path in sorted((VECTORS / folder).glob("*.json"))]


@cache
def history_of(name: str) -> Callable[[str], KeyHistory | None]:
    """The nodes that a vector takes as known."""
    entries = load(VECTORS / "histories.json")[name]
    known = [verify_history([entry.encode() for entry in history]) for history in entries]
    return {history.node_id: history for history in known}.get


def shared(path: str) -> Path:
    """A published vector file beside the repository; the test is skipped where it is not."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"published vectors are not here: ../shared/vectors/{path}")
    return found
