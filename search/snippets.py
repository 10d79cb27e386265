"""Snippets: the best passage of a text for a query, in pieces that say what is a hit; never markup.

Cut by our own analysis, so every form that was found is shown. The caller passes only text that the gate allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from search.analysis import GRAM_MARK, SOUTH_EAST_GRAM, Piece, folded, pieces
from search.document import primary_language
from search.near import SHARED_START, allowed_slips, distance
from search.plan import MIN_INSIDE_CHARS, Bag, Clause, Field, Prefix, Sequence, compile_plan
from search.query import Part, Query
from search.scripts import SOUTH_EAST_RUN as _SOUTH_EAST
from search.scripts import token_pattern

SNIPPET_CHARS: Final = 240  # two lines on a desk, five on a phone
MAX_TEXT_CHARS: Final = 200_000  # of a text looked at: a hit beyond it is found, its snippet is the text's beginning
LEAD_CHARS: Final = 40  # of context before the first hit
KEPT_QUERIES: Final = 256  # a page of hits asks the same for each
KEPT_TOKENS: Final = 20_000  # ten megabytes or so; analysing a word costs a hundred times its look-up
MAX_KEPT_CHARS: Final = 48  # longer ones are clauses and keys, which seldom come again

KEPT_PAGES: Final = 16  # queries in several languages that are being answered at one time
KEPT_CHARS: Final = 4_096
MAX_DECIDED: Final = 5_000  # tokens of one query, more than a page of hits has

Snippet = list[tuple[str, bool]]
Inside = dict[str, tuple[tuple[int, int], ...]]


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


@lru_cache(maxsize=KEPT_QUERIES)
def _clauses(parts: tuple[Part, ...], languages: tuple[str, ...], primary: str) -> tuple[Clause, ...]:
    """What of a query can be shown in a text of one language; the same for every hit of a page."""
    plan = compile_plan(Query(parts=parts, languages=languages), [primary])
    return tuple(clause for clause in plan.ranked if not clause.optional)


@lru_cache(maxsize=KEPT_PAGES)
def _decided(parts: tuple[Part, ...], languages: tuple[str, ...], primary: str) -> Inside:  # noqa: ARG001 - the key
    """Where in each token the query hits, filled while a page's texts are read."""
    return {}


@lru_cache(maxsize=KEPT_TOKENS)
def _kept_pieces(raw: str, primary: str) -> tuple[Piece, ...]:
    return tuple(pieces(raw, primary))


def hits(text: str, lang: str, query: Query) -> list[tuple[int, int]]:
    """Where the query's words are in a text of the language: ranges in order that do not overlap."""
    primary = primary_language(lang)
    clauses = _clauses(query.parts, query.languages, primary)
    if not clauses:
        return []
    read = text[:MAX_TEXT_CHARS]
    found = _ranges(read, primary, _wanted(clauses).holds, _decided(query.parts, query.languages, primary))
    if not found:
        # What was found only as a near word, or as a part of a longer one, is shown as that.
        words = [clause.word for clause in clauses if clause.word]
        found = _ranges(read, primary, lambda piece: _is_near(piece, words), {}) if words else []
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


def _ranges(text: str, primary: str, is_hit: Callable[[Piece], bool], inside: Inside) -> list[tuple[int, int]]:
    """The hits of a text; `inside` keeps what was decided of a token, as most tokens come again."""
    tokens = token_pattern().findall(text)
    if len(inside) > MAX_DECIDED:
        inside.clear()
    for raw in set(tokens) - inside.keys():
        cut = _kept_pieces(raw, primary) if len(raw) <= MAX_KEPT_CHARS else pieces(raw, primary)
        inside[raw] = tuple((piece.start, piece.end) for piece in cut if is_hit(piece))
    found = sorted(
        (at + start, at + end)
        for raw in set(tokens)
        if inside[raw]
        for at in _places(text, raw)
        for start, end in inside[raw]
    )
    ranges: list[tuple[int, int]] = []
    for start, end in found:
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(ranges[-1][1], end)
        else:
            ranges.append((start, end))
    return ranges


def _places(text: str, raw: str) -> Iterator[int]:
    """Where a token stands in a text: not inside another, since a token reaches as far as its characters do."""
    at = text.find(raw)
    while at >= 0:
        end = at + len(raw)
        if not (at and _is_inner(text[at - 1])) and not (end < len(text) and _is_inner(text[end])):
            yield at
        at = text.find(raw, end)


@lru_cache(maxsize=KEPT_CHARS)
def _is_inner(char: str) -> bool:
    return token_pattern().match(char) is not None


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
