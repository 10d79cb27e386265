"""What a change of policy, agreements, circles, releases, holds or consent would do, peer by peer.

Two sides are compared, as it is and as it would be, by the gate itself, for every record and every peer. An `Impact`
says what would begin and what would end down to the field, so that nobody votes on less than what will happen.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from governance.classes import Group, Parts, Seen, Side, Sorter
from governance.gate import Peer
from governance.outline import Outline

EXAMPLES: Final = 5  # of each sort: enough to see what it is about, and read aloud in a meeting
_ALARMING: Final = ("high", "unknown", "medium", "low", "none")  # examples show first what could do most harm
_STEP: Final = 500  # cells between two pauses

# Which fields of which records, by their numbers in the store.
Flow = tuple[tuple[tuple[str, ...], "array[int]"], ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Records, the fields in them that would begin and end, and some examples (numbers of records)."""

    records: int = 0
    beginning: int = 0
    ending: int = 0
    by_kind: Mapping[str, int] = field(default_factory=dict)
    by_sensitivity: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[int, ...] = ()

    def to_json(self) -> list[Any]:
        """For the digest."""
        kinds, words = sorted(self.by_kind.items()), sorted(self.by_sensitivity.items())
        return [self.records, self.beginning, self.ending, kinds, words]


@dataclass(frozen=True, slots=True)
class PeerImpact:
    """What would change for one peer: records it would begin to get, would lose, or would get other fields of."""

    node_id: str
    starts: Tally
    stops: Tally
    changes: Tally
    begins: Flow
    ends: Flow

    @property
    def nothing(self) -> bool:
        """True if nothing would change."""
        return not (self.begins or self.ends)


@dataclass(frozen=True, slots=True)
class Impact:
    """What would change, decided at second `at` over so many `records`; `contributors` are pseudonyms."""

    at: int
    records: int
    peers: tuple[PeerImpact, ...]
    contributors: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """True if nothing would change for anybody."""
        return all(p.nothing for p in self.peers)

    @property
    def wider(self) -> bool:
        """True if anything would begin to be shared."""
        return any(p.begins for p in self.peers)

    def touched(self) -> set[int]:
        """The numbers of the records of which some peer would get more or less."""
        flows = {id(f): f for p in self.peers for f in (p.begins, p.ends)}
        return {number for flow in flows.values() for _, numbers in flow for number in numbers}

    def pack(self) -> bytes:
        """Everything that would begin to be shared, compressed: what a voter has seen."""
        return zlib.compress(_written({p.node_id: p.begins for p in self.peers if p.begins}), 6)

    def beyond(self, packed: bytes) -> bool:
        """True if anything would begin that is not in what voters saw."""
        seen = json.loads(zlib.decompress(packed)) if packed else {"peers": {}}
        known: dict[int, dict[int, frozenset[str]]] = {}
        for peer in self.peers:
            if not peer.begins:
                continue
            at = seen["peers"].get(peer.node_id)
            if at is None:
                return True
            if at not in known:
                known[at] = _unpacked(seen, at)
            if _more(peer.begins, known[at]):
                return True
        return False

    def digest(self) -> str:
        """A hash of all that would change, for the votes on it; not of the second at which it was found."""
        counts = [[p.node_id, p.starts.to_json(), p.stops.to_json(), p.changes.to_json()] for p in self.peers]
        hashed = sha256(json.dumps([counts, sorted(self.contributors)]).encode())
        hashed.update(_written({p.node_id: p.begins for p in self.peers if p.begins}))
        hashed.update(_written({p.node_id: p.ends for p in self.peers if p.ends}))
        return hashed.hexdigest()


def _written(flows: Mapping[str, Flow]) -> bytes:
    """Flows as JSON: sets of records by the distances of their numbers, each flow once."""
    cells: dict[int, int] = {}
    members: list[list[int]] = []
    names: dict[tuple[str, ...], int] = {}
    known: dict[int, int] = {}
    out: list[list[tuple[int, int]]] = []
    for _, flow in sorted(flows.items()):
        if id(flow) in known:
            continue
        known[id(flow)] = len(out)
        ordered = sorted(flow, key=lambda part: (part[0], part[1][0]))
        for _, numbers in ordered:
            if id(numbers) not in cells:
                cells[id(numbers)] = len(members)
                ascending = sorted(numbers)
                members.append([b - a for a, b in zip([0, *ascending], ascending, strict=False)])
        out.append([(names.setdefault(n, len(names)), cells[id(numbers)]) for n, numbers in ordered])
    peers = {node_id: known[id(flow)] for node_id, flow in sorted(flows.items())}
    return json.dumps({"cells": members, "names": list(names), "flows": out, "peers": peers}).encode()


def _unpacked(seen: Mapping[str, Any], at: int) -> dict[int, frozenset[str]]:
    """The fields of each record of one flow."""
    out: dict[int, frozenset[str]] = {}
    names = [frozenset(n) for n in seen["names"]]
    for name, cell in seen["flows"][at]:
        number = 0
        for distance in seen["cells"][cell]:
            number += distance
            out[number] = out.get(number, frozenset()) | names[name]
    return out


def _more(flow: Flow, known: Mapping[int, frozenset[str]]) -> bool:
    nothing: frozenset[str] = frozenset()
    return any(not known.get(number, nothing).issuperset(names) for names, numbers in flow for number in numbers)


# --- comparing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cell:
    """Records that are in the same class, have the same fields, and count the same, on both sides."""

    before: tuple[int, Parts]
    after: tuple[int, Parts]
    kind: str
    sensitivity: str
    numbers: array[int] = field(default_factory=lambda: array("q"), compare=False)


class Comparison:
    """Takes the records one by one, then compares both sides for every peer."""

    def __init__(self, before: Side, after: Side, now: int) -> None:
        self._sides = (before, after)
        self._now = now
        self._sorter = Sorter(before, after, now)
        self._cells: dict[Hashable, _Cell] = {}
        self._alike = replace(before, peers={}) == replace(after, peers={})
        self._groups: dict[tuple[bool, int, int], frozenset[Group]] = {}
        self._equal: dict[frozenset[Group], frozenset[Group]] = {}
        self._names: dict[tuple[int, frozenset[Group]], frozenset[str]] = {}
        self._found: dict[str, _Tallies] = {}
        self.records = 0

    def add(self, seen: Seen, instead: Seen | None = None) -> None:
        """One record; `instead` is the same record as it would be, where the change is in the record itself."""
        before = self._sorter.record(seen)
        after = before if instead is None else self._sorter.record(instead)
        o = (instead or seen).outline
        key = (before[0], before[1].number, after[0], after[1].number, o.kind, o.sensitivity)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell(before, after, o.kind, o.sensitivity)
        cell.numbers.append(o.number)
        self.records += 1

    def work(self) -> Iterator[None]:
        """Compare; each step is short, so that whoever drives this can do other things in between."""
        cells = sorted(self._cells.values(), key=lambda c: (_ALARMING.index(c.sensitivity), c.kind))
        of_class: dict[Hashable, _Tallies] = {}
        for node_id in sorted({*self._sides[0].peers, *self._sides[1].peers}):
            had, has = (self._recipient(side, node_id) for side in (0, 1))
            pair = (had and had[1], has and has[1])
            if pair not in of_class:
                tallies = of_class[pair] = _Tallies()
                for at, cell in enumerate(cells):
                    tallies.add(
                        cell.kind, cell.sensitivity, cell.numbers,
                        self._fields(0, had, cell.before), self._fields(1, has, cell.after),
                    )  # fmt: skip
                    if at % _STEP == 0:
                        yield
            self._found[node_id] = of_class[pair]

    def impact(self) -> Impact:
        """What was found by `work`."""
        done = {id(t): t.done() for t in self._found.values()}
        peers = (PeerImpact(node_id, *done[id(tallies)]) for node_id, tallies in self._found.items())
        return Impact(self._now, self.records, tuple(peers))

    def _recipient(self, side: int, node_id: str) -> tuple[Peer, int] | None:
        peer = self._sides[side].peers.get(node_id)
        return None if peer is None else (peer, self._sorter.peer(peer))

    def _fields(self, side: int, to: tuple[Peer, int] | None, of: tuple[int, Parts]) -> frozenset[str]:
        """The fields of each record of a class that a peer gets on one side."""
        if to is None:
            return frozenset()
        number, parts = of
        asked = (bool(side) and not self._alike, number, to[1])
        groups = self._groups.get(asked)
        if groups is None:
            found = self._sorter.groups(number, self._sides[side], to[0])
            groups = self._groups[asked] = self._equal.setdefault(found, found)
        if not groups:
            return groups  # type: ignore[return-value]  # the empty set of anything
        named = (parts.number, groups)
        names = self._names.get(named)
        if names is None:
            names = self._names[named] = frozenset(n for g in groups for n in parts.names[g])
        return names


def compared(node_id: str, records: Iterable[tuple[Outline, frozenset[str], frozenset[str]]]) -> PeerImpact:
    """The same for a peer that was decided record by record: what it has, and what it would have."""
    alike: dict[tuple[str, str, frozenset[str], frozenset[str]], array[int]] = {}
    for outline, had, has in records:
        alike.setdefault((outline.kind, outline.sensitivity, had, has), array("q")).append(outline.number)
    tallies = _Tallies()
    for (kind, sensitivity, had, has), numbers in sorted(alike.items(), key=lambda a: _ALARMING.index(a[0][1])):
        tallies.add(kind, sensitivity, numbers, had, has)
    return PeerImpact(node_id, *tallies.done())


class _Tallies:
    """What changes for one class of peers."""

    def __init__(self) -> None:
        self._starts, self._stops, self._changes = _Count(), _Count(), _Count()
        self._begins: list[tuple[tuple[str, ...], array[int]]] = []
        self._ends: list[tuple[tuple[str, ...], array[int]]] = []

    def add(self, kind: str, sensitivity: str, numbers: array[int], had: frozenset[str], has: frozenset[str]) -> None:
        if had == has:
            return
        begins, ends = has - had, had - has
        sort = self._changes if had and has else self._starts if has else self._stops
        sort.add(kind, sensitivity, numbers, len(begins), len(ends))
        if begins:
            self._begins.append((tuple(sorted(begins)), numbers))
        if ends:
            self._ends.append((tuple(sorted(ends)), numbers))

    def done(self) -> tuple[Tally, Tally, Tally, Flow, Flow]:
        sorts = (self._starts.done(), self._stops.done(), self._changes.done())
        return (*sorts, tuple(self._begins), tuple(self._ends))


class _Count:
    def __init__(self) -> None:
        self._records = self._beginning = self._ending = 0
        self._kinds: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._examples: list[int] = []

    def add(self, kind: str, sensitivity: str, numbers: array[int], begins: int, ends: int) -> None:
        count = len(numbers)
        self._records += count
        self._beginning += count * begins
        self._ending += count * ends
        self._kinds[kind] += count
        self._words[sensitivity] += count
        if len(self._examples) < EXAMPLES:
            self._examples += numbers[: EXAMPLES - len(self._examples)]

    def done(self) -> Tally:
        words = {w: self._words[w] for w in _ALARMING if self._words[w]}
        return Tally(
            self._records, self._beginning, self._ending, dict(sorted(self._kinds.items())), words,
            tuple(self._examples),
        )  # fmt: skip
