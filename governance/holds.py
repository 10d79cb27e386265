"""Emergency holds in force at this node, and what origins have asked to hide: a record stopped by any of them is held.

A hold only ever narrows. It covers a whole record even where only one of its fields is for the circle on hold, and it
is read from the signed terms, which every holder sees alike: so an origin and its holders agree on what is hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from governance.terms import circle_id


class Scope(StrEnum):
    """What a hold stops."""

    RECORD = "record"
    PEER = "peer"
    CIRCLE = "circle"
    ALL = "all"


class Stop(StrEnum):
    """Who stopped a record: a steward here, or its origin."""

    HERE = "here"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class Stops:
    """The holds of this node, then what origins ask to hide (`hidden`, records and circles by origin)."""

    everything: bool = False
    records: frozenset[tuple[str, str]] = frozenset()
    circles: frozenset[str] = frozenset()
    peers: frozenset[str] = frozenset()
    hidden_origins: frozenset[str] = frozenset()
    hidden_records: frozenset[tuple[str, str]] = frozenset()
    hidden_circles: frozenset[tuple[str, str]] = frozenset()

    def of(self, origin: str, rid: str, audiences: Iterable[frozenset[str]]) -> Stop | None:
        """Who stopped this record, if anybody did. `audiences` are those of each of its signed fields."""
        if self is NO_STOPS:
            return None
        if self.everything or (origin, rid) in self.records:
            return Stop.HERE
        asked = origin in self.hidden_origins or (origin, rid) in self.hidden_records
        if not (self.circles or self.hidden_circles):
            return Stop.ORIGIN if asked else None
        circles = {cid for each in audiences for a in each if (cid := circle_id(a)) is not None}
        if circles & self.circles:
            return Stop.HERE
        return Stop.ORIGIN if asked or any((origin, cid) in self.hidden_circles for cid in circles) else None

    def broad(self) -> tuple[object, ...]:
        """Comparable: all that stops more than single records, but for peers; empty where nothing does."""
        parts = (self.everything, sorted(self.circles), sorted(self.hidden_origins), sorted(self.hidden_circles))
        return parts if any(parts) else ()


NO_STOPS: Final = Stops()
