"""Plans over Whoosh's postings: sets and sums in Python, with the same meaning and ranking as the other engines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whoosh.reading import TermNotFound

from search.document import Viewer, primary_language
from search.finding import Found, Gist
from search.plan import Bag, Clause, Field, Match, Plan, Prefix
from search.plan import Sequence as TermSequence
from search.query import Query, Sort
from search.weights import FIRST_LANGUAGE_SCORE, K1, PREFIX_SCORE, B, bag_weight, idf, title_bag

Doc = tuple[Viewer, int]  # a tier and Whoosh's document number in it
Scores = dict[Doc, float]


@dataclass(frozen=True, slots=True)
class Row:
    """What filters, facets and "more like this" need of one document."""

    key: str
    viewers: frozenset[str]
    until: int
    updated: int
    year: int | None
    facets: Mapping[str, Sequence[str]]
    gist: Gist

    @classmethod
    def read(cls, stored: str) -> Row:
        """The stored form as a value."""
        raw = json.loads(stored)
        terms, topics = raw["gist"]
        return cls(
            raw["key"],
            frozenset(raw["viewers"]),
            raw["until"],
            raw["updated"],
            raw["year"],
            raw["facets"],
            Gist(tuple(terms), tuple(topics)),
        )

    def fits(self, query: Query) -> bool:
        """True if the row has one of the chosen values of every filtered facet, and a year in the range."""
        if any(not set(values) & set(self.facets[facet]) for facet, values in query.filters.items()):
            return False
        if query.year_from is None and query.year_to is None:
            return True
        if self.year is None:
            return False
        after = query.year_from is None or self.year >= query.year_from
        return after and (query.year_to is None or self.year <= query.year_to)


class TierReader:
    """One tier's open reader with its rows in memory."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.rows: dict[int, Row] = {doc: Row.read(reader.stored_fields(doc)["row"]) for doc in reader.all_doc_ids()}
        self._keys = {row.key for row in self.rows.values()}

    def holds(self, key: str) -> bool:
        """True if a live document has the key."""
        return key in self._keys

    def frequencies(self, field: str, term: str) -> dict[int, float]:
        """Document number to how often it holds the term."""
        try:
            matcher = self.reader.postings(field, term)
        except TermNotFound:
            return {}
        found: dict[int, float] = {}
        while matcher.is_active():
            found[matcher.id()] = matcher.weight()
            matcher.next()
        return found

    def positions(self, term: str) -> dict[int, set[int]]:
        """Document number to the places of the term in the body."""
        try:
            matcher = self.reader.postings(Field.BODY, term)
        except TermNotFound:
            return {}
        found: dict[int, set[int]] = {}
        while matcher.is_active():
            found[matcher.id()] = set(matcher.value_as("positions"))
            matcher.next()
        return found

    def words(self, start: str) -> list[str]:
        """Dictionary words whose folded form begins so."""
        return [raw.decode("utf-8") for raw in self.reader.expand_prefix(Field.WORDS, start)]


class WhooshSnapshot:
    """The open readers of all tiers."""

    def __init__(self, tiers: Mapping[Viewer, TierReader]) -> None:
        self.tiers = tiers

    def close(self) -> None:
        """Close the readers."""
        for tier in self.tiers.values():
            tier.reader.close()

    def opened(self, viewer: Viewer) -> dict[Viewer, TierReader]:
        """The tiers that this viewer may open."""
        return {tier: reader for tier, reader in self.tiers.items() if tier.rank <= viewer.rank}

    def visible(self, viewer: Viewer, now: int) -> dict[Doc, Row]:
        """The documents that the viewer sees."""
        return {
            (tier, doc): row
            for tier, reader in self.opened(viewer).items()
            for doc, row in reader.rows.items()
            if viewer in row.viewers and now < row.until
        }

    def languages(self, viewer: Viewer, now: int) -> frozenset[str]:
        """See `finding.Snapshot`."""
        return frozenset(lang for row in self.visible(viewer, now).values() for lang in row.facets["language"])

    def vocabulary(self, start: str, viewer: Viewer, now: int) -> list[tuple[str, int]]:
        """See `finding.Snapshot`."""
        visible = self.visible(viewer, now)
        counts: Counter[str] = Counter()
        for tier, reader in self.opened(viewer).items():
            for word in reader.words(start):
                counts[word] += sum((tier, doc) in visible for doc in reader.frequencies(Field.WORDS, word))
        return [(word, count) for word, count in counts.items() if count]

    def dictionary(self, start: str, viewer: Viewer) -> list[tuple[str, int]]:
        """See `finding.Snapshot`."""
        counts: Counter[str] = Counter()
        for reader in self.opened(viewer).values():
            counts.update({word: reader.reader.doc_frequency(Field.WORDS, word) for word in reader.words(start)})
        return list(counts.items())

    def holds(self, word: str, viewer: Viewer, now: int) -> bool:
        """See `finding.Snapshot`."""
        return any(
            viewer in reader.rows[doc].viewers and now < reader.rows[doc].until
            for reader in self.opened(viewer).values()
            for doc in reader.frequencies(Field.WORDS, word)
        )

    def gist(self, key: str, viewer: Viewer, now: int) -> Gist | None:
        """See `finding.Snapshot`."""
        return next((row.gist for row in self.visible(viewer, now).values() if row.key == key), None)

    def execute(self, plan: Plan, viewer: Viewer, now: int) -> Found:
        """See `finding.Snapshot`."""
        query = plan.query
        rows = {doc: row for doc, row in self.visible(viewer, now).items() if row.fits(query)}
        scores = _Run(self.opened(viewer), rows).scores(plan)
        if query.sort is Sort.NEWEST:
            order = sorted(scores, key=lambda doc: (-rows[doc].updated, rows[doc].key))
        else:
            order = sorted(scores, key=lambda doc: (-scores[doc], rows[doc].key))
        facets = {facet: Counter(v for doc in scores for v in rows[doc].facets[facet]) for facet in query.facets}
        page = order[query.offset : query.offset + query.limit]
        return Found(len(order), tuple(rows[doc].key for doc in page), facets)


class _Run:
    """One plan over the documents that passed gate and filters; statistics are those of the opened tiers."""

    def __init__(self, tiers: Mapping[Viewer, TierReader], rows: Mapping[Doc, Row]) -> None:
        self._tiers = tiers
        self._rows = rows
        self._size = sum(reader.reader.doc_count() for reader in tiers.values())
        self._terms: dict[tuple[Field, str], Scores] = {}

    def _term(self, field: Field, term: str) -> Scores:
        found = self._terms.get((field, term))
        if found is None:
            found = self._terms[field, term] = self._scored(field, term)
        return found

    def _scored(self, field: Field, term: str) -> Scores:
        if field in (Field.KEY, Field.TOPIC):
            return {doc: 1.0 for doc, row in self._rows.items() if term == row.key or term in row.facets["topic"]}
        holding = {tier: reader.frequencies(field, term) for tier, reader in self._tiers.items()}
        count = sum(map(len, holding.values()))
        length = sum(reader.reader.field_length(field) for reader in self._tiers.values()) / max(1, self._size)
        weight = idf(count, max(count, self._size)) * (K1 + 1)
        scores: Scores = {}
        for tier, frequencies in holding.items():
            for doc, frequency in frequencies.items():
                if (tier, doc) in self._rows:
                    own = self._tiers[tier].reader.doc_field_length(doc, field)
                    scores[tier, doc] = weight * frequency / (frequency + K1 * (1 - B + B * own / max(1.0, length)))
        return scores

    def _bag(self, bag: Bag) -> Scores:
        held: Counter[Doc] = Counter()
        sums: Counter[Doc] = Counter()
        for term in bag.terms:
            scores = self._term(bag.field, term)
            held.update(scores.keys())
            for doc, score in scores.items():
                sums[doc] += score  # type: ignore[assignment] # a Counter of floats
        return {doc: sums[doc] * bag_weight(bag) for doc, count in held.items() if count >= bag.needed}

    def _sequence(self, terms: tuple[str, ...]) -> Scores:
        found: Scores = {}
        for tier, reader in self._tiers.items():
            places = [reader.positions(term) for term in terms]
            for doc, starts in places[0].items():
                if (tier, doc) in self._rows and any(
                    all(start + i in at.get(doc, ()) for i, at in enumerate(places)) for start in starts
                ):
                    found[tier, doc] = sum(self._term(Field.BODY, term).get((tier, doc), 0.0) for term in terms)
        return found

    def _dictionary(self, words: Mapping[Viewer, list[str]], score: float) -> Scores:
        return {
            (tier, doc): score
            for tier, reader in self._tiers.items()
            for word in words[tier]
            for doc in reader.frequencies(Field.WORDS, word)
            if (tier, doc) in self._rows
        }

    def _match(self, match: Match) -> Scores:
        match match:
            case Bag():
                return self._bag(match)
            case TermSequence(terms):
                return self._sequence(terms)
            case Prefix(text):
                return self._dictionary(
                    {tier: reader.words(text) for tier, reader in self._tiers.items()}, PREFIX_SCORE
                )

    def _clause(self, clause: Clause) -> Scores:
        best: Scores = {}
        for match in clause.matches:
            for doc, score in self._match(match).items():
                best[doc] = max(score, best.get(doc, 0.0))
        return best

    def _titles(self, clause: Clause) -> Scores:
        bag = title_bag(clause)
        best: Scores = {}
        for term in bag.terms if bag else ():
            for doc, score in self._term(Field.TITLE, term).items():
                best[doc] = max(best.get(doc, 0.0), score)
        return {doc: score * bag_weight(bag) for doc, score in best.items()} if bag else {}

    def scores(self, plan: Plan) -> Scores:
        """Every hit with its rank."""
        required = [self._clause(clause) for clause in plan.clauses if not clause.optional]
        needed = min(plan.needed, len(required))
        held = Counter(doc for scores in required for doc in scores)
        hits = {doc for doc, count in held.items() if count >= needed} if needed else set(self._rows)
        musts = [self._clause(clause) for clause in plan.must]
        for scores in musts:
            hits &= scores.keys()
        for clause in plan.excluded:
            hits -= self._clause(clause).keys()
        extra = [self._clause(clause) for clause in plan.clauses if clause.optional]
        extra += [self._titles(clause) for clause in plan.ranked]
        first = {primary_language(lang) for lang in plan.query.languages} if plan.query.languages_first else set()
        ranked: Scores = {}
        for doc in hits:
            score = sum(scores.get(doc, 0.0) for scores in (*required, *musts, *extra))
            ranked[doc] = score + (FIRST_LANGUAGE_SCORE if first & set(self._rows[doc].facets["language"]) else 0.0)
        return ranked
