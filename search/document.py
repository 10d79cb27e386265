"""What is indexed: one entry is one projection of a record, for exactly the viewers who may see that projection.

The rule: an entry's text is visible, whole, to every viewer it names. Nothing else may enter an index (DESIGN 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NO_END: Final = 253_402_300_800  # the second after 9999-12-31, later than any `until` that terms can carry
FACETS: Final = ("kind", "topic", "region", "language", "origin", "year", "licence", "purpose")


class Viewer(StrEnum):
    """Who is looking, from least to most privileged; each later one sees at least what the earlier one sees."""

    PUBLIC = "public"
    MEMBERS = "members"
    STEWARDS = "stewards"

    @property
    def rank(self) -> int:
        """0 for the public; a viewer opens the tiers up to its own rank."""
        return _RANKS[self]


_RANKS: Final = {viewer: rank for rank, viewer in enumerate(Viewer)}


def primary_language(tag: str) -> str:
    """The first subtag of a BCP 47 tag in lower case: what languages are filtered, counted and analysed by."""
    return tag.replace("_", "-").split("-", 1)[0].lower() or "und"


@dataclass(frozen=True, slots=True)
class Entry:
    """One projection of a record. Entries of one key have disjoint viewers; a viewer without one does not see it.

    `key` is `<origin>/<record id>`, `updated` and `until` are unix seconds. From the second `until` on, the entry
    matches nothing, is counted nowhere and suggests nothing.
    """

    key: str
    viewers: frozenset[Viewer]
    lang: str
    title: str
    text: str
    kind: str
    origin: str
    updated: int
    topics: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    year: int | None = None
    licence: str = ""
    until: int | None = None

    @property
    def tier(self) -> Viewer:
        """The least privileged viewer who may see it: it names the physical index where the entry lives."""
        return min(self.viewers, key=lambda viewer: viewer.rank)

    @property
    def language(self) -> str:
        """The primary language subtag."""
        return primary_language(self.lang)

    @property
    def ends_at(self) -> int:
        """`until`, or a second that no clock of ours reaches."""
        return NO_END if self.until is None else self.until

    def visible(self, viewer: Viewer, now: int) -> bool:
        """The gate's answer as stored in this entry: the same test that every engine makes inside its query."""
        return viewer in self.viewers and now < self.ends_at

    def facet_values(self, facet: str) -> tuple[str, ...]:
        """The entry's values of one of `FACETS`; several, one or none, never empty strings."""
        values: tuple[str, ...]
        match facet:
            case "topic":
                values = self.topics
            case "region":
                values = self.regions
            case "purpose":
                values = self.purposes
            case "year":
                values = () if self.year is None else (str(self.year),)
            case "language":
                values = (self.language,)
            case "kind":
                values = (self.kind,)
            case "origin":
                values = (self.origin,)
            case "licence":
                values = (self.licence,)
            case _:
                raise ValueError(f"unknown facet {facet!r}: use one of {', '.join(FACETS)}")
        return tuple(dict.fromkeys(value for value in values if value))
