"""Words near a mistyped one: typo tolerance and "did you mean", over dictionary words the viewer may see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from search.analysis import folded

MIN_TYPO_CHARS: Final = 4  # shorter words are near to everything
TWO_TYPOS_CHARS: Final = 8  # from here on two slips are likely and still unambiguous
MAX_SIMILAR: Final = 12  # dictionary words that a typo may stand for
SHARED_START: Final = 1  # slips in the first letter are rare, and the dictionary is sorted by it


def allowed_slips(word: str) -> int:
    """How many letters may be wrong, missing, added or swapped."""
    if len(word) < MIN_TYPO_CHARS or word.isdigit():
        return 0
    return 1 if len(word) < TWO_TYPOS_CHARS else 2


def distance(a: str, b: str, limit: int) -> int:
    """Edits from a to b (a swap of neighbours is one), or limit + 1 if there are more."""
    start = 0
    for char, other in zip(a, b, strict=False):
        if char != other:
            break
        start += 1
    # A common end cannot be cut off as well: a swap may reach over its border.
    a, b = a[start:], b[start:]
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, char in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = last[j - 1]
            if char != other:
                cost = 1 + min(cost, last[j], row[j - 1])
                if i > 1 and j > 1 and char == b[j - 2] and a[i - 2] == other:
                    cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return last[-1]


def similar_words(word: str, dictionary: Iterable[tuple[str, int]]) -> list[str]:
    """Dictionary words near the folded `word`, its own other writings among them, nearest and most frequent first.

    `dictionary` is words with the number of entries that hold them.
    """
    slips = allowed_slips(word)
    if not slips:
        return []
    letters = set(word)
    shortest, longest = len(word) - slips, len(word) + slips
    found: list[tuple[int, int, str]] = []
    for candidate, count in dictionary:
        plain = folded(candidate)
        # Each edit brings at most one new letter: the cheap test first, it leaves few.
        if not shortest <= len(plain) <= longest or len(letters.difference(plain)) > slips:
            continue
        edits = distance(word, plain, slips)
        if edits <= slips:
            found.append((edits, -count, candidate))
    return [candidate for _, _, candidate in sorted(found)]
