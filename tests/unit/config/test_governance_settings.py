"""What a kind of proposal needs, as people set it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from config.settings import Governance, SettingsError
from governance.proposal import DAY_S, HOUR_S, Rules


def test_stewards_and_keys_wait_a_day_and_everything_else_not_at_all() -> None:
    default, own = Governance().rules()
    assert default == Rules(None, 0, 14 * DAY_S)
    assert own == dict.fromkeys(("steward", "key"), Rules(None, 24 * HOUR_S, 14 * DAY_S))


def test_a_kind_changes_what_it_names_and_keeps_the_rest_of_the_default() -> None:
    given = Governance(quorum="2", waiting_h=1, per_kind=("agreement.end quorum=majority open_days=3",))
    assert given.rules() == (Rules(2, HOUR_S, 14 * DAY_S), {"agreement.end": Rules(None, HOUR_S, 3 * DAY_S)})


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("quorum", "0", "majority or a number"),
        ("quorum", "most", "majority or a number"),
        ("waiting_h", "-1", "waiting_h"),
        ("open_days", "0", "open_days"),
        ("per_kind", "party waiting_h=1", "begin with a kind"),
        ("per_kind", "steward", "begin with a kind"),
        ("per_kind", "steward patience=1", "begin with a kind"),
        ("per_kind", "steward quorum=0", "majority or a number"),
        ("per_kind", "steward waiting_h=9999", "from 0 to 2160"),
        ("per_kind", "steward open_days=soon", "from 1 to 366"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named_with_the_way_out(
    tmp_path: Path, setting: str, value: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        load(tmp_path, {f"governance.{setting}": value}, {})
    assert f"governance.{setting}" in str(error.value)


def test_a_number_may_be_written_as_one() -> None:
    assert Governance.model_validate({"quorum": 3}).quorum == "3"
