"""Failed attempts are slowed down: each source by itself, and strangers together; a known device never for strangers.

So an attacker with many addresses guesses slowly, and cannot keep out a person who has signed in before.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final, Generic, TypeVar

from node.accounts.errors import TooManyAttempts

FREE_FAILURES: Final = 5  # typing mistakes of a person
MAX_PAUSE_S: Final = 300  # slow enough against guessing, short enough for whoever shares an address with a guesser
FREE_OF_STRANGERS: Final = 30  # several new phones in a day; NIST SP 800-63B ends at 100 failures
MAX_PAUSE_OF_STRANGERS_S: Final = 900  # 96 guesses a day: three in ten thousand days for one of a million codes
MAX_TRACKED: Final = 10_000  # sources and accounts that failures are kept for; the oldest go first
_IPV6_SITE_BITS: Final = 64  # what one household or server gets: its other addresses are the same guesser

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attempt comes from: an address, or a device that has signed in to the account before."""

    place: str
    known: bool = False


def source_of(address: str) -> Source:
    """A stranger's source; all addresses of one IPv6 site count as one."""
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return Source(address)
    if isinstance(read, IPv6Address):
        inner = read.ipv4_mapped
        return Source(str(inner) if inner else f"{int(read) >> 128 - _IPV6_SITE_BITS:x}/{_IPV6_SITE_BITS}")
    return Source(str(read))


class _Failures(Generic[K]):
    """Counts by key, one forgiven for each longest pause that passes; the pause doubles with each beyond `free`."""

    def __init__(self, free: int, longest_s: int) -> None:
        self._free, self._longest_s = free, longest_s
        self._rows: dict[K, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def wait_s(self, key: K, now: int) -> int:
        """Seconds until the next attempt."""
        count, last = self._at(key, now)
        beyond = count - self._free
        pause = 0 if beyond < 0 else min(self._longest_s, 2 << min(beyond, 10))
        return max(0, last + pause - now)

    def add(self, key: K, now: int) -> None:
        count, _ = self._at(key, now)
        self._rows.pop(key, None)
        self._rows[key] = (count + 1, now)
        while len(self._rows) > MAX_TRACKED:
            del self._rows[next(iter(self._rows))]

    def take_back(self, key: K) -> None:
        count, last = self._rows.get(key, (0, 0))
        if count > 1:
            self._rows[key] = (count - 1, last)
        else:
            self.forget(key)

    def forget(self, key: K) -> None:
        self._rows.pop(key, None)

    def _at(self, key: K, now: int) -> tuple[int, int]:
        count, last = self._rows.get(key, (0, 0))
        last = min(last, now)  # a clock set back must not make a pause of years
        forgiven = (now - last) // self._longest_s
        return max(0, count - forgiven), last


class Brake:
    """Failed attempts on accounts. It knows nothing of whether the account exists."""

    def __init__(self) -> None:
        self._places: _Failures[tuple[str, str]] = _Failures(FREE_FAILURES, MAX_PAUSE_S)
        self._strangers: _Failures[str] = _Failures(FREE_OF_STRANGERS, MAX_PAUSE_OF_STRANGERS_S)

    @property
    def tracked(self) -> int:
        """How many counts are in memory."""
        return len(self._places) + len(self._strangers)

    def begin(self, name: str, source: Source, now: int) -> None:
        """Raise `TooManyAttempts`, or count a failure until `succeeded`: so attempts at one moment count too."""
        wait = self._places.wait_s((name, source.place), now)
        if not source.known:
            wait = max(wait, self._strangers.wait_s(name, now))
        if wait > 0:
            raise TooManyAttempts(f"Too many failed attempts; try again in {wait} seconds.", wait)
        self._places.add((name, source.place), now)
        if not source.known:
            self._strangers.add(name, now)

    def succeeded(self, name: str, source: Source) -> None:
        """Forget the source's failures; those of other strangers stay counted."""
        self._places.forget((name, source.place))
        if not source.known:
            self._strangers.take_back(name)

    def not_tried(self, name: str, source: Source) -> None:
        """The attempt that began was never checked."""
        self._places.take_back((name, source.place))
        if not source.known:
            self._strangers.take_back(name)
