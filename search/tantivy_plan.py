"""Plans as Tantivy queries, and one snapshot over many parts that ranks as if they were one index.

Each part knows only its own term statistics. A term's weight is therefore counted over all parts that the viewer
opens and carried into each part as a boost; without it a document in a small part would rank by its part's size.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import tantivy
from tantivy import Occur

from search.document import Viewer, primary_language
from search.finding import Found, Gist
from search.near import SHARED_START
from search.plan import Bag, Clause, Field, Match, Plan, Prefix
from search.plan import Sequence as TermSequence
from search.query import Query, Sort
from search.tantivy_part import GATE, UNTIL, UPDATED, YEAR, OpenPart, read_gist, schema, translated
from search.weights import FIRST_LANGUAGE_SCORE, PREFIX_SCORE, bag_weight, idf, title_bag

_MOST_BUCKETS: Final = 10_000  # more than a part has documents: counts are exact
MAX_DICTIONARY: Final = 20_000  # words of a letter looked through for a typo; past it, those of one entry are left out
KEPT_DICTIONARIES: Final = 24  # letters kept ready, a megabyte or two each
MIN_SHARED_PARTS: Final = 4  # with fewer, handing over costs what it saves
_BESIDE: Final = ThreadPoolExecutor(1, thread_name_prefix="commonweave-search")
_Q = tantivy.Query


def _either(queries: Sequence[Any]) -> Any:
    """The best of several queries."""
    return queries[0] if len(queries) == 1 else _Q.disjunction_max_query(list(queries))


def _silent(query: Any) -> Any:
    """A query that filters and adds nothing to a score."""
    return _Q.const_score_query(query, 0.0)


class _Statistics:
    """Term counts over the parts that one viewer opens; nothing that viewer may not see is in them."""

    def __init__(self, parts: Sequence[OpenPart]) -> None:
        self._searchers = [part.searcher for part in parts]
        self._sizes = [part.size for part in parts]
        self._total = sum(self._sizes)
        self._boosts: dict[tuple[str, str], list[float]] = {}

    def boosts(self, field: str, term: str) -> list[float]:
        """For each part: what to multiply the part's own weight of the term with; 0 where the part lacks it."""
        found = self._boosts.get((field, term))
        if found is None:
            holding = [searcher.doc_freq(field, term) for searcher in self._searchers]
            whole = idf(sum(holding), self._total)
            found = [whole / idf(n, size) if n else 0.0 for n, size in zip(holding, self._sizes, strict=True)]
            self._boosts[field, term] = found
        return found


class _Translator:
    """Translates one plan for each part."""

    def __init__(self, plan: Plan, statistics: _Statistics, gate: list[tuple[Occur, Any]]) -> None:
        self._plan = plan
        self._statistics = statistics
        self._fixed = [*gate, *((Occur.Must, _silent(query)) for query in _filters(plan.query))]

    def _term(self, bag: Bag, term: str, part: int) -> Any | None:
        boost = self._statistics.boosts(bag.field, term)[part]
        if not boost:
            return None
        return _Q.boost_query(_Q.term_query(schema(), bag.field, term), boost * bag_weight(bag))

    def _bag(self, bag: Bag, part: int) -> Any | None:
        terms = [query for term in bag.terms if (query := self._term(bag, term, part)) is not None]
        if len(terms) < bag.needed:
            return None
        if len(terms) == 1:
            return terms[0]
        return _Q.boolean_query([(Occur.Should, term) for term in terms], bag.needed)

    def _sequence(self, terms: tuple[str, ...], part: int) -> Any | None:
        boosts = [self._statistics.boosts(Field.BODY, term)[part] for term in terms]
        if not all(boosts):
            return None
        return _Q.boost_query(_Q.phrase_query(schema(), Field.BODY, list(terms)), sum(boosts) / len(boosts))

    def _match(self, match: Match, part: int) -> Any | None:
        match match:
            case Bag():
                return self._bag(match, part)
            case TermSequence(terms):
                return self._sequence(terms, part)
            case Prefix(text):
                return _Q.const_score_query(_words_matching(f"{re.escape(text)}.*"), PREFIX_SCORE)

    def _clause(self, clause: Clause, part: int) -> Any | None:
        found = [query for match in clause.matches if (query := self._match(match, part)) is not None]
        return _either(found) if found else None

    def _clauses(self, clauses: Iterable[Clause], part: int) -> list[Any]:
        return [query for clause in clauses if (query := self._clause(clause, part)) is not None]

    def _bonuses(self, part: int) -> list[Any]:
        """What adds to the rank without being needed: optional clauses, title words, the reader's languages."""
        bonuses = self._clauses([clause for clause in self._plan.clauses if clause.optional], part)
        for clause in self._plan.ranked:
            bag = title_bag(clause)
            found = [q for term in bag.terms if (q := self._term(bag, term, part)) is not None] if bag else []
            if found:
                bonuses.append(_either(found))
        query = self._plan.query
        if query.languages_first and query.languages:
            first = [primary_language(lang) for lang in query.languages]
            bonuses.append(_Q.const_score_query(_Q.term_set_query(schema(), "language", first), FIRST_LANGUAGE_SCORE))
        return bonuses

    def query(self, part: int) -> tuple[Any, Any] | None:
        """The part's query, with its rank and without (for counting); None where the part can hold no hit."""
        required = [clause for clause in self._plan.clauses if not clause.optional]
        needed = min(self._plan.needed, len(required))
        wanted = self._clauses(required, part)
        musts = self._clauses(self._plan.must, part)
        if len(wanted) < needed or len(musts) < len(self._plan.must):
            return None
        outer = [*self._fixed]
        outer += [(Occur.Must, query) for query in musts]
        if needed:
            inner = _Q.boolean_query([(Occur.Should, query) for query in wanted], needed)
            outer.append((Occur.Must, wanted[0] if len(wanted) == 1 else inner))
        outer += [(Occur.MustNot, query) for query in self._clauses(self._plan.excluded, part)]
        bonuses = self._bonuses(part) if self._plan.query.sort is Sort.RELEVANCE else []
        plain = _Q.boolean_query(outer)
        return (_Q.boolean_query([*outer, *((Occur.Should, query) for query in bonuses)]) if bonuses else plain), plain


def _words_matching(pattern: str) -> Any:
    return _Q.regex_query(schema(), Field.WORDS, pattern)


def _filters(query: Query) -> list[Any]:
    filters = [_Q.term_set_query(schema(), facet, list(values)) for facet, values in query.filters.items()]
    if query.year_from is not None or query.year_to is not None:
        filters.append(_Q.range_query(schema(), YEAR, tantivy.FieldType.Integer, query.year_from, query.year_to))
    return filters


def gate_clauses(viewer: Viewer, now: int) -> list[tuple[Occur, Any]]:
    """The gate inside the query: the viewer is named, and the entry has not ended.

    The ended ones are excluded through the inverted index: their few dates are read, not every entry's.
    """
    named = _silent(_Q.term_query(schema(), GATE, str(viewer)))
    ended = _Q.range_query(schema(), UNTIL, tantivy.FieldType.Integer, None, now, use_inverted_index=True)
    return [(Occur.Must, named), (Occur.MustNot, ended)]


def gate_query(viewer: Viewer, now: int) -> Any:
    """The gate alone."""
    return _Q.boolean_query(gate_clauses(viewer, now))


def _counts(answer: dict[str, Any]) -> dict[str, int]:
    return {bucket["key"]: bucket["doc_count"] for bucket in answer["buckets"]}


def _terms_of(facet: str) -> dict[str, Any]:
    return {"terms": {"field": facet, "size": _MOST_BUCKETS}}


def _total(result: tantivy.SearchResult) -> int:
    count: int = result.count  # type: ignore[attr-defined] # there, but missing from the binding's stub
    return count


class _Ask:
    """Puts a query to parts, in this thread and, where there are many, in one beside it: Tantivy lets Python go on."""

    def __init__(self, query: Query, searchers: Sequence[tantivy.Searcher]) -> None:
        self._searchers = searchers
        self._page_end = max(1, query.offset + query.limit)
        self._order = UPDATED if query.sort is Sort.NEWEST else None
        self._facets = {facet: _terms_of(facet) for facet in query.facets}
        self._answers: dict[int, tuple[tantivy.SearchResult, dict[str, Any]]] = {}

    def all(
        self, asked: Sequence[tuple[int, tuple[Any, Any]]]
    ) -> dict[int, tuple[tantivy.SearchResult, dict[str, Any]]]:
        """Results and facets by the part's number."""
        left = deque(
            sorted(asked, key=lambda one: -self._searchers[one[0]].num_docs)
        )  # large ones first: both end together
        beside = _BESIDE.submit(self._take, left) if len(asked) >= MIN_SHARED_PARTS else None
        self._take(left)
        if beside is not None and not beside.cancel():  # it may never have begun, where many search at once
            beside.result()
        return self._answers

    def _take(self, left: deque[tuple[int, tuple[Any, Any]]]) -> None:
        while True:
            try:
                i, (ranking, counting) = left.popleft()
            except IndexError:
                return
            searcher = self._searchers[i]
            result = searcher.search(ranking, limit=self._page_end, count=True, order_by_field=self._order)
            answers = searcher.aggregate(counting, self._facets) if result.hits and self._facets else {}
            self._answers[i] = result, answers


class TantivySnapshot:
    """The pinned states of all parts at one moment."""

    def __init__(self, parts: Sequence[OpenPart]) -> None:
        self._parts = parts
        self._dictionaries: OrderedDict[tuple[Viewer, str], list[tuple[str, int]]] = OrderedDict()

    def _open_parts(self, viewer: Viewer) -> list[OpenPart]:
        return [part for part in self._parts if part.tier.rank <= viewer.rank and part.alive]

    def _opened(self, viewer: Viewer) -> list[tantivy.Searcher]:
        return [part.searcher for part in self._open_parts(viewer)]

    def languages(self, viewer: Viewer, now: int) -> frozenset[str]:  # noqa: ARG002 - the port's
        """See `finding.Snapshot`. A language of which every entry has ended only adds forms that match nothing."""
        with translated("counting languages"):
            return frozenset[str]().union(*(part.languages(viewer) for part in self._open_parts(viewer)))

    def count(self, viewer: Viewer, now: int) -> int:
        """How many entries the viewer sees."""
        gate = gate_query(viewer, now)
        with translated("counting"):
            return sum(_total(s.search(gate, limit=1, count=True)) for s in self._opened(viewer))

    def vocabulary(self, start: str, viewer: Viewer, now: int) -> list[tuple[str, int]]:
        """See `finding.Snapshot`."""
        gate = gate_query(viewer, now)
        counts: Counter[str] = Counter()
        with translated("reading the dictionary"):
            for searcher in self._opened(viewer):
                counts.update(dict(searcher.terms_with_prefix(Field.WORDS, start, gate)))
        return [(word, count) for word, count in counts.items() if count]

    def dictionary(self, start: str, viewer: Viewer) -> list[tuple[str, int]]:
        """See `finding.Snapshot`. Those of a letter are kept: reading it in every part costs more than a search."""
        kept = self._dictionaries.get((viewer, start))
        if kept is not None:
            return kept
        counts: Counter[str] = Counter()
        with translated("reading the dictionary"):
            for searcher in self._opened(viewer):
                for word, count in searcher.terms_with_prefix(Field.WORDS, start):
                    counts[word] += count
        words = list(counts.items())
        if len(words) > MAX_DICTIONARY:
            words = [(word, count) for word, count in words if count > 1]
        if len(start) <= SHARED_START:
            self._dictionaries[viewer, start] = words
        while len(self._dictionaries) > KEPT_DICTIONARIES:
            self._dictionaries.popitem(last=False)
        return words

    def holds(self, word: str, viewer: Viewer, now: int) -> bool:
        """See `finding.Snapshot`."""
        gate = gate_clauses(viewer, now)
        query = _Q.boolean_query([*gate, (Occur.Must, _silent(_Q.term_query(schema(), Field.WORDS, word)))])
        with translated("reading the dictionary"):
            return any(
                searcher.search(query, limit=1, count=False).hits
                for searcher in self._opened(viewer)
                if searcher.doc_freq(Field.WORDS, word)
            )

    def gist(self, key: str, viewer: Viewer, now: int) -> Gist | None:
        """See `finding.Snapshot`."""
        own = _Q.term_query(schema(), Field.KEY, key)
        query = _Q.boolean_query([(Occur.Must, own), (Occur.Must, gate_query(viewer, now))])
        with translated("reading an entry"):
            for searcher in self._opened(viewer):
                for _, address in searcher.search(query, limit=1, count=False).hits:
                    return read_gist(bytes(searcher.doc(address)["gist"][0]))
        return None

    def execute(self, plan: Plan, viewer: Viewer, now: int) -> Found:
        """See `finding.Snapshot`."""
        parts = self._open_parts(viewer)
        with translated("searching"):
            translator = _Translator(plan, _Statistics(parts), gate_clauses(viewer, now))
            return self._merged(plan.query, [part.searcher for part in parts], translator)

    @staticmethod
    def _merged(query: Query, searchers: Sequence[tantivy.Searcher], translator: _Translator) -> Found:
        total = 0
        best: list[tuple[float, int, int, Any]] = []
        facets: dict[str, Counter[str]] = {facet: Counter() for facet in query.facets}
        asked = [(i, queries) for i in range(len(searchers)) if (queries := translator.query(i)) is not None]
        for i, (result, answers) in sorted(_Ask(query, searchers).all(asked).items()):
            total += _total(result)
            best.extend((-value, i, j, address) for j, (value, address) in enumerate(result.hits))
            for facet, answer in answers.items():
                facets[facet].update(_counts(answer))
        best.sort(key=lambda hit: hit[:3])
        page = best[query.offset : query.offset + query.limit]
        return Found(total, tuple(searchers[i].doc(address)["key"][0] for _, i, _, address in page), facets)
