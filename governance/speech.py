"""How sentences for people are made: English texts are the keys, a catalogue outside this room translates them.

`Say` is the port; `ENGLISH` needs no catalogue, so that the pure rooms can speak by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol


class Say(Protocol):
    """A language to speak in."""

    @property
    def lang(self) -> str:
        """Its BCP 47 tag."""

    def __call__(self, text: str, /, **values: object) -> str:
        """The translation of an English text, with its {names} filled in."""

    def count(self, one: str, many: str, n: int, /, **values: object) -> str:
        """The form for `n` things; {n} is the number as it is written there."""

    def day(self, seconds: int, /) -> str:
        """A moment as the day people call it; UTC, as both sides of an agreement signed it."""

    def both(self, items: Sequence[str], /) -> str:
        """A list as people say it: “a, b and c”."""


class _English:
    lang: Final = "en"

    def __call__(self, text: str, /, **values: object) -> str:
        return text.format(**values) if values else text

    def count(self, one: str, many: str, n: int, /, **values: object) -> str:
        return (one if n == 1 else many).format(n=n, **values)

    def day(self, seconds: int, /) -> str:
        try:
            return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d, %H:%M UTC")
        except (ValueError, OverflowError, OSError):
            return f"second {seconds}"

    def both(self, items: Sequence[str], /) -> str:
        return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


ENGLISH: Final[Say] = _English()


def N_(text: str) -> str:  # noqa: N802 - the name that translators and their tools know
    """The text itself, marked for the catalogue: `say(CONSTANT)` later finds its translation."""
    return text


def NN_(one: str, many: str) -> tuple[str, str]:  # noqa: N802 - as above
    """The two texts of a count, marked together: `say.count(*CONSTANT, n)` finds the form that a language has."""
    return one, many
