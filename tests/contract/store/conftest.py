"""Every store under the same tests: memory, SQLite in a temporary folder, PostgreSQL in a cluster of its own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.store.memory import MemoryStore
from node.store.port import Store
from node.store.sql import open_store
from tests.postgres import Cluster, postgres

__all__ = ["postgres"]

_numbers = itertools.count(1)
KINDS = ("memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


def new_url(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a database that does not exist yet (SQLite) or is empty (PostgreSQL)."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'node.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database(f"store{next(_numbers)}")


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    kind = str(request.param)
    opened: Store = MemoryStore() if kind == "memory" else await open_store(new_url(kind, tmp_path, request))
    yield opened
    await opened.close()


@pytest.fixture(params=KINDS[1:])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database of each SQL kind."""
    return new_url(str(request.param), tmp_path, request)
