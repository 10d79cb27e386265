"""Scripts: which characters make words, which scripts are cut into grams, and how letters are folded.

Everything is derived from Unicode properties and block ranges (unicode.org/Public); nothing here knows a language.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

from search.han_table import TO_SIMPLIFIED

_HAN: Final = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA: Final = "\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_HANGUL: Final = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc"
_SOUTH_EAST: Final = "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"
_ARABIC: Final = "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff"

# Runs of one kind inside a token: gram scripts are cut by position, everything else is a word.
SCRIPT_RUN: Final = re.compile(
    f"(?P<east>[{_HAN}{_KANA}]+)|(?P<hangul>[{_HANGUL}]+)|(?P<southeast>[{_SOUTH_EAST}]+)|(?P<arabic>[{_ARABIC}]+)"
    f"|(?P<word>[^{_HAN}{_KANA}{_HANGUL}{_SOUTH_EAST}{_ARABIC}]+)"
)
HAS_GRAM_SCRIPT: Final = re.compile(f"[{_HAN}{_KANA}{_HANGUL}{_SOUTH_EAST}]")
HAN: Final = re.compile(f"[{_HAN}]")
SOUTH_EAST_RUN: Final = re.compile(f"[{_SOUTH_EAST}]+")

APOSTROPHES: Final = "'’ʼ"
_TRADITIONAL: Final = re.compile(f"[{''.join(map(chr, TO_SIMPLIFIED))}]")
_BASIC_PLANE_END: Final = 0x10000
_LIGATURES: Final = str.maketrans(
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŋ": "n", "ə": "e"}
)
_KEPT_FOLDINGS: Final = 0x2000  # what accented letters and their marks are below; a text cannot fill memory with others
_STRESS: Final = ("\u0300", "\u0301")  # written over Cyrillic vowels in teaching texts only
# The marks that readers of Indic scripts write or leave out freely.
_NUKTAS: Final = str.maketrans(
    dict.fromkeys((0x093C, 0x09BC, 0x0A3C, 0x0ABC, 0x0B3C, 0x0CBC), None) | {0x0901: "\u0902"}
)
_HEBREW_POINTS: Final = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
_CASED: Final = re.compile("[\u0041-\u024f\u0250-\u03ff\u0400-\u052f\u1e00-\u1fff]")
_CYRILLIC: Final = re.compile("[\u0400-\u052f]")


@cache
def token_pattern() -> re.Pattern[str]:
    """Letters, numbers and marks, with apostrophes: the raw tokens of a text, the same in every language.

    The ranges are spelt out because `re` leaves marks out of its word characters, and because a class of ranges in the
    basic plane compiles to a bitmap: eight times faster over a text than a class that mixes ranges and `\\w`.
    """
    ranges: list[str] = []
    start: int | None = None
    for code in range(_BASIC_PLANE_END + 1):
        is_word = code < _BASIC_PLANE_END and unicodedata.category(chr(code))[0] in "LNM"
        if is_word and start is None:
            start = code
        elif not is_word and start is not None:
            ranges.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    return re.compile(rf"(?:[{APOSTROPHES}{''.join(ranges)}]+|(?:(?=\w)[\U00010000-\U000e01ef])+)+")


def is_token(text: str) -> bool:
    """True if the text is one raw token. Not by `fullmatch`: where that fails, the pattern backtracks for ever."""
    found = token_pattern().match(text)
    return found is not None and found.end() == len(text)


def compose(text: str) -> str:
    """NFKC, casefold, NFKC again: casefolding can leave text decomposed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def simplify_han(text: str) -> str:
    """Traditional characters as simplified ones, one for one, so that offsets stay."""
    # Most runs hold none, and a search is far cheaper than a translation.
    return text.translate(TO_SIMPLIFIED) if _TRADITIONAL.search(text) else text


class _Folding(dict[int, str | int | None]):
    """What becomes of each character of a decomposed word: marks go, letters of their own get their usual writing."""

    def __missing__(self, code: int) -> str | int | None:
        char = chr(code)
        folded = None if unicodedata.combining(char) else _LIGATURES.get(code, code)
        if code < _KEPT_FOLDINGS:
            self[code] = folded
        return folded


_FOLDING: Final = _Folding()


def fold(word: str) -> str:
    """A composed, casefolded word without accents, as readers type it on a keyboard that lacks them."""
    if word.isascii():
        return word
    if not _CASED.search(word):
        return _HEBREW_POINTS.sub("", word).translate(_NUKTAS)
    parts = unicodedata.normalize("NFD", word)
    if _CYRILLIC.search(word):
        # й and ї are letters of their own; ё is written as е by most.
        for mark in _STRESS:
            parts = parts.replace(mark, "")
        return unicodedata.normalize("NFC", parts).replace("ё", "е")
    return parts.translate(_FOLDING)
