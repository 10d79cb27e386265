"""The fields of one entry as every engine stores them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from search.bulk import IndexTerms, body_terms, index_terms
from search.document import Entry
from search.finding import GIST_TERMS, GIST_WINDOW, MIN_GIST_CHARS, Gist
from search.function_words import FUNCTION_WORDS


@dataclass(frozen=True, slots=True)
class IndexFields:
    """Title terms, the terms of title and text together (one catch-all ranks best), and the gist."""

    title: str
    all: IndexTerms
    gist: Gist


def index_fields(entry: Entry) -> IndexFields:
    """The analysed fields of an entry."""
    everything = index_terms(f"{entry.title}\n{entry.text}", entry.lang)
    return IndexFields(body_terms(entry.title, entry.lang), everything, _gist(everything.body, entry))


def _gist(body: str, entry: Entry) -> Gist:
    counts = Counter(body.split(None, GIST_WINDOW)[:GIST_WINDOW])
    frequent = sorted(counts, key=counts.__getitem__, reverse=True)[: GIST_TERMS * 2]
    terms = [t for t in frequent if len(t) >= MIN_GIST_CHARS and t not in FUNCTION_WORDS and not t.isdigit()]
    return Gist(tuple(terms[:GIST_TERMS]), entry.topics)
