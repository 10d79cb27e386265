"""The engine in memory: every answer by looking at every entry. The oracle of the contract suite, and for simulators.

Slow on purpose and small: it keeps the rules where they can be read. It has no folder, so erasing is forgetting.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from search import finding
from search.analysis import folded
from search.document import Entry, Viewer, primary_language
from search.engine import Refetch, Results
from search.finding import Found, Gist
from search.indexing import index_fields
from search.plan import Bag, Clause, Field, Match, Plan, Prefix
from search.plan import Sequence as TermSequence
from search.query import Query, Sort
from search.weights import (
    FIRST_LANGUAGE_SCORE,
    K1,
    PREFIX_SCORE,
    B,
    bag_weight,
    idf,
    title_bag,
)


@dataclass(frozen=True, slots=True)
class _Doc:
    entry: Entry
    terms: dict[Field, Counter[str]]
    sequence: str  # body terms, each between spaces
    gist: Gist


def _doc(entry: Entry) -> _Doc:
    fields = index_fields(entry)
    return _Doc(
        entry,
        {
            Field.TITLE: Counter(fields.title.split()),
            Field.BODY: Counter(fields.all.body.split()),
            Field.SIDE: Counter(fields.all.side.split()),
            Field.WORDS: Counter(fields.all.words.split()),
            Field.TOPIC: Counter(entry.topics),
            Field.KEY: Counter([entry.key]),
        },
        f" {' '.join(fields.all.body.split())} ",
        fields.gist,
    )


def matches(doc: _Doc, match: Match) -> bool:
    """True if the entry holds what the match asks for."""
    match match:
        case Bag(field, terms, needed):
            return sum(term in doc.terms[field] for term in terms) >= needed
        case TermSequence(terms):
            return f" {' '.join(terms)} " in doc.sequence
        case Prefix(text):
            return any(folded(word).startswith(text) for word in doc.terms[Field.WORDS])


def _any(doc: _Doc, clause: Clause) -> bool:
    return any(matches(doc, match) for match in clause.matches)


def fits(entry: Entry, query: Query) -> bool:
    """True if the entry has one of the chosen values of every filtered facet, and a year in the range."""
    if any(not set(values) & set(entry.facet_values(facet)) for facet, values in query.filters.items()):
        return False
    if query.year_from is None and query.year_to is None:
        return True
    year = entry.year
    return year is not None and (query.year_from or year) <= year <= (year if query.year_to is None else query.year_to)


class MemorySnapshot:
    """Entries of all tiers as they were at one moment."""

    def __init__(self, docs: Sequence[_Doc]) -> None:
        self._docs = docs

    def _opened(self, viewer: Viewer) -> list[_Doc]:
        return [doc for doc in self._docs if doc.entry.tier.rank <= viewer.rank]

    def visible(self, viewer: Viewer, now: int) -> list[_Doc]:
        """The entries that the viewer sees."""
        return [doc for doc in self._opened(viewer) if doc.entry.visible(viewer, now)]

    def languages(self, viewer: Viewer, now: int) -> frozenset[str]:
        """See `finding.Snapshot`."""
        return frozenset(doc.entry.language for doc in self.visible(viewer, now))

    def vocabulary(self, start: str, viewer: Viewer, now: int) -> list[tuple[str, int]]:
        """See `finding.Snapshot`."""
        counts = Counter(word for doc in self.visible(viewer, now) for word in doc.terms[Field.WORDS])
        return sorted((word, count) for word, count in counts.items() if folded(word).startswith(start))

    def dictionary(self, start: str, viewer: Viewer) -> list[tuple[str, int]]:
        """See `finding.Snapshot`."""
        counts = Counter(word for doc in self._opened(viewer) for word in doc.terms[Field.WORDS])
        return [(word, count) for word, count in counts.items() if word.startswith(start)]

    def holds(self, word: str, viewer: Viewer, now: int) -> bool:
        """See `finding.Snapshot`."""
        return any(word in doc.terms[Field.WORDS] for doc in self.visible(viewer, now))

    def gist(self, key: str, viewer: Viewer, now: int) -> Gist | None:
        """See `finding.Snapshot`."""
        return next((doc.gist for doc in self.visible(viewer, now) if doc.entry.key == key), None)

    def execute(self, plan: Plan, viewer: Viewer, now: int) -> Found:
        """See `finding.Snapshot`."""
        hits = [doc for doc in self.visible(viewer, now) if fits(doc.entry, plan.query) and self._matches(doc, plan)]
        query = plan.query
        if query.sort is Sort.NEWEST:
            hits.sort(key=lambda doc: (-doc.entry.updated, doc.entry.key))
        else:
            scorer = _Scorer(self._opened(viewer))
            hits.sort(key=lambda doc: (-scorer.score(doc, plan), doc.entry.key))
        facets = {
            facet: Counter(value for doc in hits for value in doc.entry.facet_values(facet)) for facet in query.facets
        }
        page = hits[query.offset : query.offset + query.limit]
        return Found(len(hits), tuple(doc.entry.key for doc in page), facets)

    @staticmethod
    def _matches(doc: _Doc, plan: Plan) -> bool:
        if any(_any(doc, clause) for clause in plan.excluded):
            return False
        if not all(_any(doc, clause) for clause in plan.must):
            return False
        required = [clause for clause in plan.clauses if not clause.optional]
        return sum(_any(doc, clause) for clause in required) >= min(plan.needed, len(required))


class _Scorer:
    def __init__(self, docs: Sequence[_Doc]) -> None:
        self._docs = docs
        self._lengths: dict[Field, float] = {}

    def _term(self, doc: _Doc, field: Field, term: str) -> float:
        frequency = doc.terms[field][term]
        if not frequency:
            return 0.0
        if field not in self._lengths:
            self._lengths[field] = sum(d.terms[field].total() for d in self._docs) / len(self._docs)
        norm = 1 - B + B * doc.terms[field].total() / self._lengths[field]
        holding = sum(term in d.terms[field] for d in self._docs)
        return idf(holding, len(self._docs)) * frequency * (K1 + 1) / (frequency + K1 * norm)

    def _match(self, doc: _Doc, match: Match) -> float:
        if not matches(doc, match):
            return 0.0
        match match:
            case Bag(field, terms):
                return bag_weight(match) * sum(self._term(doc, field, term) for term in terms)
            case TermSequence(terms):
                return sum(self._term(doc, Field.BODY, term) for term in terms)
            case Prefix():
                return PREFIX_SCORE

    def _title(self, doc: _Doc, clause: Clause) -> float:
        bag = title_bag(clause)
        if bag is None:
            return 0.0
        return bag_weight(bag) * max(self._term(doc, bag.field, term) for term in bag.terms)

    def score(self, doc: _Doc, plan: Plan) -> float:
        """The rank of a hit: each clause counts by its best match, and for being in the title."""
        score = sum(
            max(self._match(doc, match) for match in clause.matches) + self._title(doc, clause)
            for clause in plan.ranked
        )
        first = {primary_language(lang) for lang in plan.query.languages} if plan.query.languages_first else set()
        return score + (FIRST_LANGUAGE_SCORE if doc.entry.language in first else 0.0)


class MemoryEngine:
    """See `search.engine.SearchEngine`."""

    def __init__(self) -> None:
        self._docs: dict[str, list[_Doc]] = {}
        self._position = 0
        self._writing = threading.Lock()
        self._snapshot = MemorySnapshot(())

    def apply(self, puts: Sequence[Entry], deletes: Sequence[str], position: int, *, more: bool = False) -> None:  # noqa: ARG002
        """See the port."""
        with self._writing:
            for key in [*deletes, *(entry.key for entry in puts)]:
                self._docs.pop(key, None)
            for entry in puts:
                self._docs.setdefault(entry.key, []).append(_doc(entry))
            self._position = position
            self._snapshot = MemorySnapshot([doc for docs in self._docs.values() for doc in docs])

    def position(self) -> int:
        """See the port."""
        return self._position

    def search(self, query: Query, viewer: Viewer, now: int) -> Results:
        """See the port."""
        return finding.search(self._snapshot, query, viewer, now)

    def suggest(self, prefix: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """See the port."""
        return finding.suggest(self._snapshot, prefix, viewer, now)

    def more_like(self, key: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """See the port."""
        return finding.more_like(self._snapshot, key, viewer, now)

    def erase(self, keys: Sequence[str], refetch: Refetch) -> None:
        """See the port."""
        self.apply(tuple(refetch(keys)), keys, self._position)

    def tidy(self, refetch: Refetch) -> int:
        """See the port: nothing is ever dead here."""
        return len(tuple(refetch(())))

    def count(self, viewer: Viewer, now: int) -> int:
        """See the port."""
        return len(self._snapshot.visible(viewer, now))

    def clear(self) -> None:
        """See the port."""
        self._docs.clear()
        self.apply((), (), 0)

    def close(self) -> None:
        """See the port."""
        self._docs.clear()
