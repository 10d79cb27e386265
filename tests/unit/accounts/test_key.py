"""The key that second factors are sealed with is drawn once, for its node's user alone, and never again silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.clock import SystemEntropy
from node.errors import StartError
from node.keyring import account_key, create_keys


def test_a_node_of_before_gets_a_key_and_keeps_it(tmp_path: Path) -> None:
    create_keys(tmp_path, SystemEntropy())
    drawn = account_key(tmp_path, SystemEntropy())
    assert len(drawn) == 32
    assert account_key(tmp_path, SystemEntropy()) == drawn
    assert (tmp_path / "accounts.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "zz", "00" * 31])
def test_a_damaged_key_stops_the_node_instead_of_being_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "accounts.key").write_text(text)
    with pytest.raises(StartError, match=r"accounts\.key"):
        account_key(tmp_path, SystemEntropy())
    assert (tmp_path / "accounts.key").read_text() == text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be written"):
        account_key(tmp_path / "missing", SystemEntropy())
