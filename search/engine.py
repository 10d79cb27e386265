"""The port to a full-text engine: what the node asks for, and the promises that every engine keeps.

One writer at a time, any number of searches beside it; a search sees one state of the index from its begin to its end.
Scores never leave the package: a score tells about records that the viewer may not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Final, Protocol

from search.document import Entry, Viewer
from search.query import Query

MAX_FACET_VALUES: Final = 100  # of one facet in a result; the counts of those shown are exact
MAX_SUGGESTIONS: Final = 10
MAX_MORE_LIKE: Final = 20

# Given keys, the entries that the node's database holds for them now: none for an erased record, several for a record
# whose projections differ.
Refetch = Callable[[Seq[str]], Iterable[Entry]]


@dataclass(frozen=True, slots=True)
class Results:
    """One page of keys in order, the exact total, counted facets (most frequent first), and a correction, if any."""

    total: int
    keys: tuple[str, ...]
    facets: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    did_you_mean: str | None = None


class SearchEngine(Protocol):
    """A full-text engine over one folder."""

    def apply(self, puts: Seq[Entry], deletes: Seq[str], position: int, *, more: bool = False) -> None:
        """Replace all entries of the put keys, delete keys, and remember `position`, durably.

        After a crash the position is never ahead of the entries; feeding again from the position makes it whole.
        With `more`, another apply follows at once: the engine may keep this one, unseen and not durable, until an
        apply without it; `position` then tells the older one. An apply that raises drops what was kept so.
        """
        ...

    def position(self) -> int:
        """The change number up to which the index is right; 0 for an empty one."""
        ...

    def search(self, query: Query, viewer: Viewer, now: int) -> Results:
        """What this viewer finds at this second."""
        ...

    def suggest(self, prefix: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """Words that begin so, as written in entries that this viewer sees; the most frequent first."""
        ...

    def more_like(self, key: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """Keys of entries like the viewer's projection of this one, best first; none if the viewer does not see it."""
        ...

    def erase(self, keys: Seq[str], refetch: Refetch) -> None:
        """When it returns, no byte of any earlier state of these keys is left in the folder (DESIGN, invariant 10).

        Neighbours are written again from `refetch`; what it returns for the erased keys themselves is indexed anew.
        """
        ...

    def tidy(self, refetch: Refetch) -> int:
        """Write again what is mostly dead; the number of entries written. To be called now and then."""
        ...

    def count(self, viewer: Viewer, now: int) -> int:
        """How many entries the viewer sees."""
        ...

    def clear(self) -> None:
        """Make it empty, position 0, with no byte of the old content left."""
        ...

    def close(self) -> None:
        """Release files and locks; to be called once."""
        ...
