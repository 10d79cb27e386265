"""Snippets: the best passage of a text for a query, in pieces that say what is a hit; never markup.

Cut by our own analysis, so every form that was found is shown. The caller passes only text that the gate allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from search.analysis import GRAM_MARK, SOUTH_EAST_GRAM, Piece, folded, pieces, raw_tokens
from search.document import primary_language
from search.near import SHARED_START, allowed_slips, distance
from search.plan import MIN_INSIDE_CHARS, Bag, Clause, Field, Prefix, Sequence, compile_plan
from search.query import Query
from search.scripts import SOUTH_EAST_RUN as _SOUTH_EAST

SNIPPET_CHARS: Final = 240  # two lines on a desk, five on a phone
MAX_TEXT_CHARS: Final = 200_000  # of a text looked at: a hit beyond it is found, its snippet is the text's beginning
LEAD_CHARS: Final = 40  # of context before the first hit

Snippet = list[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What makes a piece of text a hit."""

    body: frozenset[str]
    side: frozenset[str]
    words: frozenset[str]
    prefixes: tuple[str, ...]

    def holds(self, piece: Piece) -> bool:
        if piece.body in self.body or not self.words.isdisjoint(piece.words):
            return True
        if any(side in self.side for side in piece.side):
            return True
        return any(folded(word).startswith(prefix) for word in piece.words for prefix in self.prefixes)


def _wanted(clauses: Collection[Clause]) -> _Wanted:
    terms: dict[Field, set[str]] = {field: set() for field in Field}
    prefixes: list[str] = []
    for clause in clauses:
        for match in clause.matches:
            match match:
                case Bag(field, bag):
                    terms[field].update(term for term in bag if not term.startswith(GRAM_MARK))
                case Sequence(sequence):
                    terms[Field.BODY].update(sequence)
                case Prefix(text):
                    prefixes.append(text)
    return _Wanted(
        frozenset(terms[Field.BODY]), frozenset(terms[Field.SIDE]), frozenset(terms[Field.WORDS]), tuple(prefixes)
    )


def hits(text: str, lang: str, query: Query) -> list[tuple[int, int]]:
    """Where the query's words are in a text of the language: ranges in order that do not overlap."""
    primary = primary_language(lang)
    plan = compile_plan(query, [primary])
    clauses = [clause for clause in plan.ranked if not clause.optional]
    if not clauses:
        return []
    read = text[:MAX_TEXT_CHARS]
    wanted = _wanted(clauses)
    found = _ranges(read, primary, wanted.holds)
    if not found:
        # What was found only as a near word, or as a part of a longer one, is shown as that.
        words = [clause.word for clause in clauses if clause.word]
        found = _ranges(read, primary, lambda piece: _is_near(piece, words)) if words else []
    return [(start, end) for start, end in found if not _is_scrap(text[start:end], clauses)]


def _is_near(piece: Piece, words: Collection[str]) -> bool:
    for plain in map(folded, piece.words):
        for word in words:
            slips = allowed_slips(word)
            if len(word) >= MIN_INSIDE_CHARS and word in plain:
                return True
            if slips and plain[:SHARED_START] == word[:SHARED_START] and distance(word, plain, slips) <= slips:
                return True
    return False


def _is_scrap(shown: str, clauses: Collection[Clause]) -> bool:
    """True for a piece of a word in a script without spaces, much shorter than every run that was asked for."""
    if not _SOUTH_EAST.fullmatch(shown):
        return False
    runs = [len(c.title) + SOUTH_EAST_GRAM - 1 for c in clauses if c.title and _SOUTH_EAST.fullmatch(c.title[0])]
    return bool(runs) and len(shown) * 2 < min(runs)


def _ranges(text: str, primary: str, is_hit: Callable[[Piece], bool]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for raw, offset in raw_tokens(text):
        for piece in pieces(raw, primary, offset):
            if not is_hit(piece):
                continue
            if ranges and piece.start <= ranges[-1][1]:
                ranges[-1] = ranges[-1][0], max(ranges[-1][1], piece.end)
            else:
                ranges.append((piece.start, piece.end))
    return ranges


def _window(text: str, ranges: list[tuple[int, int]], size: int) -> tuple[int, int]:
    """The stretch of at most `size` characters with the most hits, a little text before them, cut at spaces."""
    if not ranges:
        return 0, min(size, len(text))
    best, most = ranges[0][0], 0
    for i, (start, _) in enumerate(ranges):
        inside = sum(1 for _, end in ranges[i:] if end <= start + size - LEAD_CHARS)
        if inside > most:
            best, most = start, inside
    begin = max(0, min(best - LEAD_CHARS, len(text) - size))
    if begin:
        space = text.find(" ", begin, best)
        begin = space + 1 if space >= 0 else begin
    end = min(len(text), begin + size)
    if end < len(text):
        space = text.rfind(" ", best, end)
        end = space if space > begin + size // 2 else end
    return begin, end


def snippet(text: str, lang: str, query: Query, size: int = SNIPPET_CHARS) -> Snippet:
    """The passage as `(text, is it a hit)`; joined, the pieces are one substring of the text."""
    ranges = hits(text, lang, query)
    begin, end = _window(text, ranges, max(1, size))
    out: Snippet = []
    at = begin
    for start, stop in ranges:
        if stop <= begin or start >= end:
            continue
        first, last = max(start, at), min(stop, end)
        if first > at:
            out.append((text[at:first], False))
        if last > first:
            out.append((text[first:last], True))
        at = max(at, last)
    if at < end:
        out.append((text[at:end], False))
    return out
