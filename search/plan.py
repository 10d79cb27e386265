"""From a query to a plan: what an entry's index terms must hold, the same for every engine.

A query has no known language, so each word becomes alternatives, one for each language that could have written it;
matching any of them is enough, and only the best one scores. Engines execute plans and know no language.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from search.analysis import (
    MAX_DICTIONARY_WORD,
    SOUTH_EAST_GRAM,
    analyse,
    pieces,
    raw_tokens,
    word_grams,
    written_form,
)
from search.function_words import FUNCTION_WORDS
from search.query import Part, PartKind, Query
from search.scripts import HAN, SCRIPT_RUN, compose, fold
from search.stemming import has_rules, host_language, script_of, stem, term

ALWAYS_NEEDED: Final = 2  # a query of one or two words means all of them
NEEDED_SHARE: Final = 0.6  # of longer ones, chosen: our labelled queries score the same from 0.4 to 1
GRAM_SHARE: Final = 0.6  # of a word's grams, as edges differ; nDCG is the same from 0.4 to 0.7, worse at 0.8
MAX_CLAUSES: Final = 48  # runs of scripts without spaces can hold several words each
MAX_CHARACTERS_APART: Final = 4  # of a run of Han; a longer one is several words, its grams find them
MIN_INSIDE_CHARS: Final = 5  # a shorter piece is inside too many compounds


class Field(StrEnum):
    """The fields of an index that a plan can ask for."""

    BODY = "body"
    SIDE = "side"
    TITLE = "title"
    WORDS = "words"
    KEY = "key"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Bag:
    """At least `needed` of the terms, in any order."""

    field: Field
    terms: tuple[str, ...]
    needed: int = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """The body terms, one directly after the other."""

    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """A dictionary word whose folded form begins so."""

    text: str


Match = Bag | Sequence | Prefix


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing asked for: any of the matches is enough. `title` terms only add to the rank."""

    matches: tuple[Match, ...]
    title: tuple[str, ...] = ()
    optional: bool = False
    word: str = ""  # the folded word it came from, for typos; empty if it is not a word


@dataclass(frozen=True, slots=True)
class Plan:
    """All of `must`, at least `needed` of the clauses that are not optional, none of `excluded`, and the filters."""

    query: Query
    clauses: tuple[Clause, ...] = ()
    needed: int = 0
    must: tuple[Clause, ...] = ()
    excluded: tuple[Clause, ...] = ()
    languages: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[Clause, ...]:
        """Every clause that adds to the rank."""
        return self.clauses + self.must


def _needed(count: int) -> int:
    return count if count <= ALWAYS_NEEDED else max(ALWAYS_NEEDED, math.ceil(count * NEEDED_SHARE))


def _share(count: int) -> int:
    return max(1, math.ceil(count * GRAM_SHARE))


def _hosts(word: str, languages: Collection[str]) -> list[str]:
    script = script_of(word)
    return list(dict.fromkeys(host_language(lang, script) for lang in languages or ("und",)))


def host_forms(word: str, languages: Collection[str]) -> frozenset[str]:
    """The terms that a written word has in texts of these languages."""
    return frozenset(term(written_form(word, host), host) for host in _hosts(compose(word), languages))


def _word_clause(raw: str, languages: Collection[str]) -> Clause | None:
    hosts = _hosts(compose(raw), languages)
    by_host = {host: written for host in hosts if (written := written_form(raw, host))}
    if not by_host:
        return None
    plain = fold(next(iter(by_host.values())))
    terms: dict[str, None] = {}
    for host, written in by_host.items():
        terms[term(written, host)] = None
        terms[stem(fold(written), host)] = None
    bodies = tuple(terms)
    matches: list[Match] = [Bag(Field.BODY, (body,)) for body in bodies]
    if any(fold(written) == written for written in by_host.values()):
        matches += [Bag(Field.SIDE, (body,)) for body in bodies]
    if not all(has_rules(host) for host in by_host):
        grams = tuple(dict.fromkeys(word_grams(plain)))
        if grams:
            matches.append(Bag(Field.SIDE, grams, _share(len(grams))))
    return Clause(tuple(matches), bodies, plain in FUNCTION_WORDS, plain)


def _gram_clause(run: str, kind: str) -> Clause:
    cut = list(pieces(run, "und"))
    grams = tuple(dict.fromkeys(piece.body for piece in cut))
    matches: list[Match] = [Bag(Field.BODY, grams, _share(len(grams)))]
    short = len(cut) == 1 and len(grams[0]) < (SOUTH_EAST_GRAM if kind == "southeast" else 2)
    if short:
        matches.append(Bag(Field.WORDS, cut[0].words) if cut[0].words and kind == "east" else Prefix(fold(grams[0])))
    return Clause(tuple(matches), grams)


def word_clauses(text: str, languages: Collection[str]) -> list[Clause]:
    """The clauses of one typed word: one for each run of a script in it."""
    clauses: list[Clause] = []
    for raw, _ in raw_tokens(text):
        for run in SCRIPT_RUN.finditer(raw):
            kind = run.lastgroup or "word"
            grams = kind in ("east", "hangul", "southeast")
            clause = _gram_clause(run.group(), kind) if grams else _word_clause(run.group(), languages)
            if clause is not None:
                clauses.append(clause)
    return clauses


def _phrase_clause(text: str, languages: Collection[str]) -> Clause | None:
    variants: dict[tuple[str, ...], None] = {}
    for lang in languages or ("und",):
        variants[tuple(token.term for token in analyse(text, lang))] = None
    found = [terms for terms in variants if terms]
    if not found:
        return None
    if max(map(len, found)) == 1:
        clauses = word_clauses(text, languages)
        return replace(clauses[0], optional=False) if clauses else None
    matches = tuple(Sequence(terms) if len(terms) > 1 else Bag(Field.BODY, terms) for terms in found)
    return Clause(matches, ())


def _prefix_clause(text: str, languages: Collection[str]) -> Clause | None:
    plain = [fold(written_form(raw, "und")) for raw, _ in raw_tokens(text)]
    plain = [word for word in plain if word]
    if len(plain) != 1 or len(plain[0]) > MAX_DICTIONARY_WORD:
        return _phrase_clause(text, languages)
    grams = SCRIPT_RUN.match(plain[0])
    if grams and grams.lastgroup == "east":
        return _gram_clause(plain[0], "east")
    return Clause((Prefix(plain[0]),), ())


def _must(parts: Iterable[Part], languages: Collection[str]) -> tuple[Clause, ...]:
    clauses: list[Clause | None] = []
    for part in parts:
        match part.kind:
            case PartKind.PHRASE:
                clauses.append(_phrase_clause(part.text, languages))
            case PartKind.PREFIX:
                clauses.append(_prefix_clause(part.text, languages))
            case PartKind.WORD:
                clauses.extend(replace(c, optional=False) for c in word_clauses(part.text, languages))
    return tuple(clause for clause in clauses if clause is not None)


def compile_plan(query: Query, languages: Collection[str]) -> Plan:
    """The plan of a query for an index that holds these primary languages; the reader's own are added."""
    known = tuple(dict.fromkeys((*query.languages, *sorted(languages))))
    words = [part for part in query.parts if part.kind is PartKind.WORD and not part.excluded]
    clauses = [clause for part in words for clause in word_clauses(part.text, known)][:MAX_CLAUSES]
    if all(clause.optional for clause in clauses):
        clauses = [replace(clause, optional=False) for clause in clauses]
    return Plan(
        query=query,
        clauses=tuple(clauses),
        needed=_needed(sum(not clause.optional for clause in clauses)),
        must=_must([p for p in query.parts if p.kind is not PartKind.WORD and not p.excluded], known),
        excluded=_must([p for p in query.parts if p.excluded], known),
        languages=known,
    )


def asks_for_something(query: Query) -> bool:
    """False for a query without anything to find: it browses, newest first."""
    return any(not part.excluded and any(True for _ in raw_tokens(part.text)) for part in query.parts)


def _characters(clause: Clause) -> tuple[str, ...]:
    """The Han characters of a short run: another word may hold them apart, as flood season and flood water do."""
    grams = "" if clause.word else "".join(term for m in clause.matches if isinstance(m, Bag) for term in m.terms)
    han = tuple(dict.fromkeys(HAN.findall(grams)))
    return han if 1 < len(han) <= MAX_CHARACTERS_APART else ()


def with_similar(plan: Plan, similar: dict[str, tuple[str, ...]]) -> Plan:
    """The plan, wider: a clause's word also matches these dictionary words, and compounds that hold it."""
    clauses: list[Clause] = []
    for clause in plan.clauses:
        extra: list[Match] = []
        if words := similar.get(clause.word):
            extra.append(Bag(Field.WORDS, words))
        if len(clause.word) >= MIN_INSIDE_CHARS and not clause.optional:
            grams = tuple(dict.fromkeys(word_grams(clause.word)))
            extra.append(Bag(Field.SIDE, grams, len(grams)))
        if han := _characters(clause):
            extra.append(Bag(Field.WORDS, han, len(han)))
        clauses.append(replace(clause, matches=(*clause.matches, *extra)))
    return replace(plan, clauses=tuple(clauses))
