"""Finding: from a query to results over one snapshot of an index, the same steps for every engine.

First exactly what was asked; only when that finds too little, typos and parts of words; only then any of the words.
Every word that is offered comes from the dictionary as this viewer sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

from search.analysis import folded, shown, written_form
from search.document import Viewer
from search.engine import MAX_FACET_VALUES, MAX_MORE_LIKE, MAX_SUGGESTIONS, Results
from search.function_words import FUNCTION_WORDS
from search.near import MAX_SIMILAR, SHARED_START, allowed_slips, similar_words
from search.plan import Bag, Clause, Field, Plan, asks_for_something, compile_plan, host_forms, with_similar
from search.query import MIN_PREFIX_CHARS, PartKind, Query, Sort, query_text
from search.scripts import fold

FEW_HITS: Final = 3  # below it a reader would try another spelling; above it wider matches only add noise
GIST_TERMS: Final = 24  # of an entry, for "more like this": more terms rank the same and cost more
GIST_WINDOW: Final = 250  # terms read for the gist: title and beginning say what a record is about
MIN_GIST_CHARS: Final = 2
GIST_SHARE: Final = 0.2  # of the gist terms that a like entry must hold


@dataclass(frozen=True, slots=True)
class Gist:
    """What stands for an entry in "more like this": its most frequent terms and its topics."""

    terms: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What an engine found for one plan: the exact total, the page's keys, all counts of the asked facets."""

    total: int
    keys: tuple[str, ...]
    facets: Mapping[str, Mapping[str, int]]


class Snapshot(Protocol):
    """One unchanging state of an index, read with one viewer's rights at one second."""

    def languages(self, viewer: Viewer, now: int) -> frozenset[str]:
        """The primary languages of the entries."""
        ...

    def execute(self, plan: Plan, viewer: Viewer, now: int) -> Found:
        """Run a plan."""
        ...

    def vocabulary(self, start: str, viewer: Viewer, now: int) -> list[tuple[str, int]]:
        """Dictionary words whose folded form begins so, with the number of entries that hold them."""
        ...

    def dictionary(self, start: str, viewer: Viewer) -> list[tuple[str, int]]:
        """Like `vocabulary`, cheaper: counts of all opened entries, and words that the viewer does not see among them.

        Nothing of it may be shown or searched for before `holds` has said that the viewer sees it.
        """
        ...

    def holds(self, word: str, viewer: Viewer, now: int) -> bool:
        """True if an entry that the viewer sees holds this dictionary word."""
        ...

    def gist(self, key: str, viewer: Viewer, now: int) -> Gist | None:
        """The gist of the viewer's projection, None if there is none."""
        ...


def ranked_facets(counts: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[tuple[str, int], ...]]:
    """Counts as lists: most frequent first, then by value."""
    return {
        facet: tuple(sorted(values.items(), key=lambda item: (-item[1], item[0]))[:MAX_FACET_VALUES])
        for facet, values in counts.items()
    }


def _similar(snapshot: Snapshot, plan: Plan, viewer: Viewer, now: int) -> dict[str, tuple[str, ...]]:
    """For each word of the plan that nobody wrote so: the dictionary words it may stand for."""
    similar: dict[str, tuple[str, ...]] = {}
    for word in {clause.word for clause in plan.clauses if not clause.optional and allowed_slips(clause.word)}:
        # Most words of a query are written right, and asking for one is far cheaper than reading a letter.
        own = (written for written, _ in snapshot.dictionary(word, viewer) if folded(written) == word)
        if not any(snapshot.holds(written, viewer, now) for written in own):
            near = similar_words(word, snapshot.dictionary(word[:SHARED_START], viewer))
            near = [candidate for candidate in near if folded(candidate) not in FUNCTION_WORDS]
            seen = (candidate for candidate in near if snapshot.holds(candidate, viewer, now))
            similar[word] = tuple(islice(seen, MAX_SIMILAR))
    return similar


def _not_found_yet(plan: Plan, similar: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The near words that the plan does not find already, as forms of the same word."""
    found: dict[str, tuple[str, ...]] = {}
    for clause in plan.clauses:
        forms = {term for match in clause.matches if isinstance(match, Bag) for term in match.terms}
        near = similar.get(clause.word, ())
        if near and forms.isdisjoint(host_forms(shown(near[0]), plan.languages)):
            found[clause.word] = near
    return found


def _corrected(query: Query, similar: Mapping[str, tuple[str, ...]]) -> str | None:
    parts = []
    for part in query.parts:
        words = similar.get(fold(written_form(part.text, "und"))) if part.kind is PartKind.WORD else None
        parts.append(replace(part, text=shown(words[0])) if words and not part.excluded else part)
    text = query_text(parts)
    return text if tuple(parts) != query.parts else None


def search(snapshot: Snapshot, query: Query, viewer: Viewer, now: int) -> Results:
    """Results of a query; see the module's text for the steps."""
    if not asks_for_something(query):
        query = replace(query, sort=Sort.NEWEST)
    plan = compile_plan(query, snapshot.languages(viewer, now))
    found = snapshot.execute(plan, viewer, now)
    correction: str | None = None
    similar = _similar(snapshot, plan, viewer, now) if plan.clauses else {}
    if similar:
        correction = _corrected(query, similar if found.total == 0 else _not_found_yet(plan, similar))
    if found.total < FEW_HITS and plan.clauses:
        wide = with_similar(plan, similar)
        for needed in (plan.needed, 1):
            more = snapshot.execute(replace(wide, needed=needed), viewer, now)
            found = more if more.total > found.total else found
            if found.total or needed == 1:
                break
    return Results(found.total, found.keys, ranked_facets(found.facets), correction)


def suggest(snapshot: Snapshot, prefix: str, viewer: Viewer, now: int) -> tuple[str, ...]:
    """Words of the dictionary that begin so, as they are written; several writings of one word as the usual one."""
    start = fold(written_form(prefix.strip(), "und"))
    if len(start) < MIN_PREFIX_CHARS:
        return ()
    best: dict[str, tuple[int, str]] = {}
    for word, count in snapshot.vocabulary(start, viewer, now):
        plain = folded(word)
        before = best.get(plain, (0, ""))
        best[plain] = (before[0] + count, max(before[1], word, key=lambda w: (w == word) == (count > before[0])))
    ordered = sorted(best.items(), key=lambda item: (-item[1][0], len(item[0]), item[0]))
    return tuple(shown(word) for _, (_, word) in ordered[:MAX_SUGGESTIONS])


def more_like(snapshot: Snapshot, key: str, viewer: Viewer, now: int) -> tuple[str, ...]:
    """Entries that share an entry's frequent terms and topics, best first, without itself."""
    gist = snapshot.gist(key, viewer, now)
    if gist is None or not gist.terms:
        return ()
    clauses = [Clause((Bag(Field.BODY, (term,)),)) for term in gist.terms]
    clauses += [Clause((Bag(Field.TOPIC, (topic,)),), optional=True) for topic in gist.topics]
    plan = Plan(
        query=Query(limit=MAX_MORE_LIKE, facets=()),
        clauses=tuple(clauses),
        needed=max(1, round(len(gist.terms) * GIST_SHARE)),
        excluded=(Clause((Bag(Field.KEY, (key,)),)),),
    )
    return snapshot.execute(plan, viewer, now).keys
