"""Speaking in the reader's language: which one is chosen, and how numbers, days and lists are written."""

from __future__ import annotations

import pytest

from governance.speech import ENGLISH
from node.speech import languages, speech
from tests import words

UNTRANSLATED = "nobody translated {this}"
NOON = 1_772_539_200  # 2026-03-03 12:00 UTC


@pytest.mark.parametrize(
    ("wanted", "lang"),
    [
        (["es"], "es"),
        (["pt-BR"], "pt"),
        (["SW_ke"], "sw"),
        (["ar-Arab-EG"], "ar"),
        (["de", "fr"], "fr"),
        (["en-GB", "fr"], "en"),
        (["de"], "en"),
        ([], "en"),
        (["", "-", "../ar", "x" * 500], "en"),
    ],
)
def test_the_best_language_that_is_spoken_here_is_chosen(wanted: list[str], lang: str) -> None:
    assert speech(wanted).lang == lang


def test_every_language_of_the_catalogue_is_spoken() -> None:
    assert languages() == ("en", *words.LANGUAGES)


def test_english_needs_no_catalogue() -> None:
    assert speech(["en"]) is ENGLISH


def test_what_a_catalogue_lacks_is_said_in_english() -> None:
    say = speech(["es"])
    assert say(UNTRANSLATED, this="that") == "nobody translated that"
    assert say("") == ""


def test_days_numbers_and_lists_are_written_as_the_reader_writes_them() -> None:
    say = speech(["es"])
    assert say.day(NOON) == "3 de marzo de 2026, 12:00 UTC"
    assert say.both(["a", "b", "c"]) == "a, b y c"
    one, many = "nobody says {n}", "nobody says these {n}"
    assert speech(["de", "pt-BR"]).count(one, many, 12_345) == "nobody says these 12.345"


def test_a_day_beyond_the_calendar_is_a_second() -> None:
    assert "10000000000000000" in speech(["fr"]).day(10**16)
