"""Records and peers in classes: two in one class are the same to every rule, agreement and term that is asked.

So the gate is asked once for a pair of classes instead of once for each record and peer. What may differ inside a
class is only what the gate cannot see. Whoever teaches the gate to see more adds it here; `Sorter.groups` refuses an
answer that does not treat a class alike, rather than to count it wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from governance.agreement import Clauses, phase_now
from governance.gate import NoPolicy, Outcome, Peer, RecordView, audience_of, decide
from governance.holds import NO_STOPS, Stop, Stops
from governance.outline import (
    TITLE,
    Outline,
    read_layout,
    read_sensitivity,
    read_tags,
    read_terms,
    read_text,
)
from governance.policy import DAY_S, Audience, Conditions, Effect, Facts, Policy, Rule, Who
from governance.terms import DIRECT, circle_id

# What a condition asks about: a fact of the record, or (the second set) the recipient.
FACT_OF: Final = {
    "kind": "kind", "topics": "topics", "regions": "regions", "language": "lang", "labels": "labels",
    "licence": "licence", "purposes": "purposes", "origin": "origin", "sensitivity": "sensitivity", "own": "own",
    "older_than_days": "iat", "younger_than_days": "iat",
}  # fmt: skip
ABOUT_RECIPIENT: Final = ("peer", "circle", "peer_regions", "agreement", "role")
_BLANK: Final = Facts("", "", "", 0, True, frozenset(), frozenset(), frozenset(), "", "", frozenset())
_SOMEBODY: Final = Audience(Who.PEER)
_NOBODY: Final[frozenset[str]] = frozenset()

Group = tuple[int, tuple[bool, ...], bool, bool, frozenset[str]]
Truth = bool | None


class Offered(NamedTuple):
    """What a peer offers us of a received record: the fields that may cross one more line."""

    peer: str
    names: frozenset[str]


class Seen(NamedTuple):
    """A record as it stands, and who offers it to us."""

    outline: Outline
    offers: tuple[Offered, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """All that decisions depend on beside the record: as it is, or as it would be.

    `peers` are recipients by node id, `circles` those we are in, `passing` the peers whose agreement lets us pass on,
    `releases` to whom a record (origin, id, version) was let go.
    """

    policy: Policy | NoPolicy
    peers: Mapping[str, Peer]
    circles: frozenset[str]
    passing: frozenset[str]
    releases: Mapping[tuple[str, str, int], frozenset[str]] = field(default_factory=dict)
    stops: Stops = NO_STOPS

    def marks(self, o: Outline) -> tuple[Stop | None, frozenset[str]]:
        """Who has stopped the record, and to whom it was let go."""
        released = self.releases.get((o.origin, o.rid, o.ver), _NOBODY)
        return (None if self.stops is NO_STOPS else self.stops.of(o.origin, o.rid, (o.circles(),))), released

    def view(self, seen: Seen) -> RecordView:
        """The record as the gate sees it."""
        o = seen.outline
        stop, released = self.marks(o)
        return RecordView(
            o.origin,
            o.rid,
            o.ver,
            o.facts(),
            o.sealed(),
            direct=frozenset(filter(None, o.direct.split(","))),
            editors=frozenset(filter(None, (o.editor,))),
            circles=self.circles,
            passed_to_us=any(offer.peer in self.passing for offer in seen.offers),
            released=released,
            held=stop is Stop.HERE,
            hidden=stop is Stop.ORIGIN,
        )

    def given(self, seen: Seen, to: Peer, now: int) -> frozenset[str]:
        """The fields that the peer gets of the record: the gate's word, and what may be handed on of a received one."""
        if seen.outline.origin == to.node_id:
            return frozenset()
        decision = decide(self.view(seen), to, self.policy, now)
        if decision.outcome is not Outcome.SHARE:
            return frozenset()
        fields = decision.fields
        if not seen.outline.own:
            onward = [o.names for o in seen.offers if o.peer != to.node_id and o.peer in self.passing]
            fields &= frozenset().union(*onward)
        return fields if TITLE in fields else frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The fields of a record in groups that no rule and no term can tell apart."""

    number: int
    groups: int
    names: Mapping[Group, tuple[str, ...]]
    audiences: frozenset[str]


class _Memo(dict[Any, Any]):
    """Values made once for each key."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        value = self[key] = self._make(key)
        return value


class _Numbers(dict[Any, int]):
    """Small numbers that stand for values."""

    def __missing__(self, key: Any) -> int:
        value = self[key] = len(self)
        return value


class Sorter:
    """Sorts records and peers for two sides that are compared."""

    def __init__(self, before: Side, after: Side, now: int) -> None:
        self._now = now
        self._sides = (before, after)
        self._unmarked = all(s.stops is NO_STOPS and not s.releases for s in self._sides)
        rules = [r for s in (before, after) for r in _rules(s.policy)]
        asked = [c for r in rules for c in (r.when, r.unless) if c is not None]
        self._asked = list(dict.fromkeys(asked))
        self._redact = list({(r.id, r.fields): r for r in rules if r.effect is Effect.REDACT}.values())
        self._nodes = before.peers.keys() | after.peers.keys()
        clauses = [p.clauses for s in (before, after) for p in s.peers.values() if p.clauses is not None]
        self._tests: dict[str, list[tuple[int, Callable[[Facts], Truth]]]] = {}
        self._list_tests(clauses)
        self._said: dict[tuple[str, int], Iterable[tuple[int, Truth]]] = {}
        self._lens = {fact: _Memo(self._looker(fact)) for fact in _LENSES}
        self._facts = _Memo(self._fold)
        self._folded, self._terms_ids, self._group_ids = _Numbers(), _Numbers(), _Numbers()
        self._classes, self._peers = _Numbers(), _Numbers()
        self._terms = _Memo(self._terms_of)
        self._parts = _Memo(self._parts_of)
        self._covered = _Memo(lambda name: tuple(r.covers(name) for r in self._redact))
        self.first: list[tuple[Seen, Parts]] = []  # the representative of each class
        self.named: set[str] = set()  # nodes that some record names, which are therefore in no class with others
        self.circles: set[str] = set()

    # --- records ---------------------------------------------------------------------------------------------------

    def record(self, seen: Seen) -> tuple[int, Parts]:
        """The class of a record, and its fields."""
        o = seen.outline
        topics, regions, labels, sensitivity, licence, terms, layout, _ = o.text.split("\n")
        each, purposes = self._terms[terms, layout]
        parts = self._parts[each, layout, seen.offers]
        lens = self._lens
        facts = self._facts[
            lens["kind"][o.kind], lens["lang"][o.lang], lens["topics"][topics], lens["regions"][regions],
            lens["labels"][labels], lens["sensitivity"][sensitivity], lens["licence"][licence],
            lens["purposes"][purposes], lens["origin"][o.origin], lens["own"][o.own], lens["iat"][o.iat // DAY_S],
        ]  # fmt: skip
        direct = self._named(o.direct.split(",")) if o.direct and DIRECT in parts.audiences else None
        origin = "" if o.own or o.origin not in self._nodes else o.origin
        offering = None if o.own else frozenset(f.peer for f in seen.offers)
        marks = () if self._unmarked else tuple(side.marks(o) for side in self._sides)
        key = (facts, o.own, origin, direct, offering, parts.groups, marks)
        known = len(self.first)
        number = self._classes[key]
        if number == known:
            self.first.append((seen, parts))
            self._remember(origin, offering, parts, (node_id for _, released in marks for node_id in released))
        return number, parts

    def _named(self, nodes: Iterable[str]) -> frozenset[str]:
        found = frozenset(n for n in nodes if n in self._nodes)
        self.named |= found
        return found

    def _remember(self, origin: str, offering: Iterable[str] | None, parts: Parts, released: Iterable[str]) -> None:
        self.named.update(filter(None, (origin,)), offering or (), released)
        self.circles.update(c for c in map(circle_id, parts.audiences) if c)

    def groups(self, number: int, side: Side, to: Peer) -> frozenset[Group]:
        """The groups of fields that the peer gets of every record of a class."""
        seen, parts = self.first[number]
        given = side.given(seen, to, self._now)
        shared = frozenset(g for g, names in parts.names.items() if names[0] in given)
        if sum(len(parts.names[g]) for g in shared) != len(given):
            raise AssertionError(f"the gate tells fields of record {seen.outline.rid} apart that are in one group")
        return shared

    # --- peers -----------------------------------------------------------------------------------------------------

    def peer(self, to: Peer) -> int:
        """The class of a peer, once all records are sorted."""
        asked = tuple(c.about(ABOUT_RECIPIENT).matches(_BLANK, audience_of(to), self._now) for c in self._asked)
        clauses = to.clauses
        plain = replace(
            to,
            node_id=to.node_id if to.node_id in self.named else "",
            phase=phase_now(to.phase, clauses, self._now),
            clauses=clauses and replace(clauses, agreement_id="", starts=0, until=None, response_h=0),
            regions=frozenset(),
            circles=to.circles & self.circles,
        )
        return self._peers[plain, asked]

    # --- what rules and agreements ask -----------------------------------------------------------------------------

    def _list_tests(self, clauses: Iterable[Clauses]) -> None:
        for slot, conditions in enumerate(self._asked):
            for name in conditions.written:
                if name in FACT_OF:
                    alone = conditions.about((name,))
                    test = _asking(alone, self._now)
                    self._tests.setdefault(FACT_OF[name], []).append((slot, test))
        slot = len(self._asked)
        for kinds in {c.kinds for c in clauses if c.kinds}:
            self._tests.setdefault("kind", []).append((slot, _kind_in(kinds)))
            slot += 1
        for topics in {c.topics for c in clauses if c.topics}:
            self._tests.setdefault("topics", []).append((slot, _topic_in(topics)))
            slot += 1

    def _looker(self, fact: str) -> Callable[[Any], int]:
        """From what an outline says of a fact to a number for what all tests say of it."""
        tests = self._tests.get(fact, [])
        read, seen = _READ.get(fact, lambda raw: raw), _Numbers()

        def look(raw: Any) -> int:
            facts = replace(_BLANK, **{fact: read(raw)}) if tests else _BLANK
            answers = tuple((slot, test(facts)) for slot, test in tests)
            number = seen[answers]
            self._said[fact, number] = answers
            return number

        return look

    def _fold(self, numbers: tuple[int, ...]) -> int:
        """One answer for each set of conditions: all of its conditions on the record together, as rules join them."""
        joined: dict[int, Truth] = {}
        for fact, number in zip(_LENSES, numbers, strict=True):
            for slot, truth in self._said[fact, number]:
                joined[slot] = _both(joined.get(slot, True), truth)
        return self._folded[tuple(sorted(joined.items()))]

    # --- fields ----------------------------------------------------------------------------------------------------

    def _terms_of(self, lines: tuple[str, str]) -> tuple[tuple[int, ...], frozenset[str]]:
        terms, layout = read_terms(lines[0]), read_layout(lines[1])
        title = next(t for t, names in zip(terms, layout, strict=True) if TITLE in names)
        return tuple(self._terms_ids[t.audiences, t.purposes, t.ended(self._now)] for t in terms), title.purposes

    def _parts_of(self, key: tuple[tuple[int, ...], str, tuple[Offered, ...]]) -> Parts:
        each, layout, offers = key
        names: dict[Group, list[str]] = {}
        for number, some in zip(each, read_layout(layout), strict=True):
            for name in some:
                offering = frozenset(o.peer for o in offers if name in o.names)
                group = (number, self._covered[name], name.startswith("attachment:"), name == TITLE, offering)
                names.setdefault(group, []).append(name)
        all_terms = list(self._terms_ids)
        audiences = frozenset(a for number in each for a in all_terms[number][0])
        return Parts(
            len(self._parts),
            self._group_ids[frozenset(names)],
            {g: tuple(some) for g, some in names.items()},
            audiences,
        )


_LENSES: Final = (
    "kind", "lang", "topics", "regions", "labels", "sensitivity", "licence", "purposes", "origin", "own", "iat",
)  # fmt: skip
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "topics": read_tags,
    "regions": read_tags,
    "labels": read_tags,
    "sensitivity": read_sensitivity,
    "licence": read_text,
    "iat": lambda day: day * DAY_S,
}


def _rules(policy: Policy | NoPolicy) -> Iterator[Rule]:
    return iter(()) if isinstance(policy, NoPolicy) else (r for r in policy.rule if Who.PEER in r.to)


def _asking(alone: Conditions, now: int) -> Callable[[Facts], Truth]:
    return lambda facts: alone.matches(facts, _SOMEBODY, now)


def _kind_in(kinds: frozenset[str]) -> Callable[[Facts], Truth]:
    return lambda facts: facts.kind in kinds


def _topic_in(topics: frozenset[str]) -> Callable[[Facts], Truth]:
    return lambda facts: bool(topics & (facts.topics or frozenset()))


def _both(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
