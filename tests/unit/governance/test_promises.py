"""The words of an agreement: the same everywhere, because both sides sign them (DESIGN 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from governance.agreement import Clauses
from governance.kinds import KINDS
from governance.promises import RENDERING, moment_words, promises
from governance.speech import ENGLISH
from governance.terms import ALL_PURPOSES, Purpose
from node.speech import languages, speech

PINNED: Final = Path(__file__).with_name("promises.json")
FULL: Final = Clauses(
    "a", ALL_PURPOSES, frozenset(KINDS), frozenset({"floods", "elections"}), response_h=2160, until=1_900_022_400,
    starts=1_800_000_000, review=1_850_000_000, conflict="First the coordinators, then the council.",
    suspend_overdue=True,
)  # fmt: skip
SPARE: Final = Clauses(
    "b", frozenset(), passing_on=False, attachments=False, erase_at_end=False, response_h=1, until=None
)


@pytest.mark.parametrize("lang", languages())
def test_the_words_of_this_rendering_stay_as_they_were_released(lang: str) -> None:
    """Who changes them on purpose raises RENDERING, and pins the new ones: other nodes compare them to the letter."""
    pinned = json.loads(PINNED.read_text("utf-8"))
    assert pinned["rendering"] == RENDERING
    for name, clauses in (("full", FULL), ("spare", SPARE)):
        assert promises(clauses, speech([lang])) == pinned[lang][name]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 11, 24, 72, 100, 102, 103, 2160])
def test_arabic_has_the_right_form_for_every_number_of_hours(n: int) -> None:
    noun = {1: "ساعة واحدة", 2: "ساعتين"}.get(n) or f"{n} {'ساعات' if 3 <= n % 100 <= 10 else 'ساعة'}"
    assert f"يُنفَّذ السحب ويُؤكَّد خلال {noun}." in promises(Clauses("a", response_h=n), speech(["ar"]))


def test_moments_are_written_alike_in_every_language_and_name_the_time_only_where_it_is_not_midnight() -> None:
    for lang in languages():
        assert moment_words(1_900_022_400, speech([lang])) == "2030-03-18"
        assert moment_words(1_900_022_460, speech([lang])) == "2030-03-18, 00:01 UTC"


def test_a_moment_beyond_the_calendar_is_a_second() -> None:
    assert moment_words(10**17, ENGLISH) == "second 100000000000000000"


def test_purposes_of_an_agreement_are_said_in_a_fixed_order() -> None:
    some = Clauses("a", frozenset({Purpose.RESEARCH, Purpose.LEARNING}))
    assert "It may be used for learning, research." in promises(some)
