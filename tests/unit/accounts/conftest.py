"""Accounts over a memory store, with a clock that tests set."""

from __future__ import annotations

import pytest

from tests.unit.accounts.office import Office


@pytest.fixture
async def office() -> Office:
    return await Office.open()
