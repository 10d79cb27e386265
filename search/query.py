"""A reader's query: from the text of a search box and the chosen filters to a value; no input makes it raise.

Syntax: words, "phrases", prefix*, -excluded (a word, phrase or prefix). Everything else is words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from search.document import FACETS, primary_language

MAX_QUERY_CHARS: Final = 512  # a long sentence; more is a paste, and its beginning says what is meant
MAX_PARTS: Final = 24  # each costs look-ups in every part of the index
MIN_PREFIX_CHARS: Final = 2  # one letter would open half the dictionary
MAX_FILTER_VALUES: Final = 64  # for one facet; a page cannot offer more
MAX_VALUE_CHARS: Final = 300  # a node id with a key, or a licence address
MAX_LIMIT: Final = 100  # one page of results
MAX_OFFSET: Final = 2_000  # past it nobody reads, and every part of the index must sort as many
DEFAULT_LIMIT: Final = 20
MIN_YEAR: Final = 0
MAX_YEAR: Final = 9999  # what ISO 8601 writes with four digits


class PartKind(StrEnum):
    """What a part of the text asks for."""

    WORD = "word"
    PHRASE = "phrase"
    PREFIX = "prefix"


class Sort(StrEnum):
    """The order of results."""

    RELEVANCE = "relevance"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Part:
    """One word, phrase or prefix as typed, without its marks."""

    kind: PartKind
    text: str
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What the reader asked. `filters` maps a facet to the values of which one must be there.

    `facets` are those to be counted. `languages` are the reader's; their records come first if `languages_first`.
    """

    parts: tuple[Part, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    year_from: int | None = None
    year_to: int | None = None
    sort: Sort = Sort.RELEVANCE
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    languages: tuple[str, ...] = ()
    languages_first: bool = False
    facets: tuple[str, ...] = FACETS


_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»「」『』〝〞＂", '"') | {"−": "-", "–": "-", "＊": "*", "－": "-"})
_PART: Final = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


def _part(match: re.Match[str]) -> Part | None:
    excluded = match.group("minus") is not None
    phrase = match.group("phrase")
    if phrase is not None:
        text = " ".join(phrase.split())
        return Part(PartKind.PHRASE, text, excluded) if text else None
    word: str = match.group("word")
    # A hyphen that excludes nothing means nothing; written again at the start of a word it would exclude.
    stem = (word if excluded else word.lstrip("-")).rstrip("*")
    if word.endswith("*") and len(stem) >= MIN_PREFIX_CHARS:
        return Part(PartKind.PREFIX, stem, excluded)
    return Part(PartKind.WORD, stem, excluded) if stem else None


def parse_text(text: str) -> tuple[Part, ...]:
    """The parts of the text of a search box, in order; what is too long is cut, what is not understood is a word."""
    found = map(_part, _PART.finditer(text[:MAX_QUERY_CHARS].translate(_QUOTES)))
    return tuple([part for part in found if part is not None][:MAX_PARTS])


def _values(facet: str, values: Iterable[str]) -> tuple[str, ...]:
    cleaned = (value.strip()[:MAX_VALUE_CHARS] for value in values)
    if facet == "language":
        cleaned = (primary_language(value) for value in cleaned if value)
    return tuple(dict.fromkeys(value for value in cleaned if value))[:MAX_FILTER_VALUES]


def _year(value: int | None) -> int | None:
    return None if value is None else max(MIN_YEAR, min(MAX_YEAR, value))


def make_query(
    text: str,
    *,
    filters: Mapping[str, Iterable[str]] | None = None,
    year_from: int | None = None,
    year_to: int | None = None,
    sort: Sort = Sort.RELEVANCE,
    offset: int = 0,
    limit: int = DEFAULT_LIMIT,
    languages: Iterable[str] = (),
    languages_first: bool = False,
    facets: Iterable[str] = FACETS,
) -> Query:
    """A query within all limits: numbers are clamped, unknown facets and empty values are dropped."""
    chosen = {name: _values(name, values) for name, values in (filters or {}).items() if name in FACETS}
    return Query(
        parts=parse_text(text),
        filters={name: values for name, values in chosen.items() if values},
        year_from=_year(year_from),
        year_to=_year(year_to),
        sort=sort,
        offset=max(0, min(MAX_OFFSET, offset)),
        limit=max(0, min(MAX_LIMIT, limit)),
        languages=_values("language", languages),
        languages_first=languages_first,
        facets=tuple(facet for facet in dict.fromkeys(facets) if facet in FACETS),
    )


def query_text(parts: Iterable[Part]) -> str:
    """The text that `parse_text` reads back as these parts."""
    return " ".join(_written(part) for part in parts)


def _written(part: Part) -> str:
    text = f'"{part.text}"' if part.kind is PartKind.PHRASE else part.text
    return f"{'-' if part.excluded else ''}{text}{'*' if part.kind is PartKind.PREFIX else ''}"
