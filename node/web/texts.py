"""What depends on the reader's language: interface texts, dates, names of languages, and the direction of scripts.

Interface texts are English until a catalogue comes; every one goes through `Reader.t` or `Reader.n`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

MAX_ACCEPTED: Final = 10  # languages read from a header; nobody reads more, and a header can be long
MAX_HEADER_CHARS: Final = 500
INTERFACE: Final = "en"
CATALOGUES: Final[Mapping[str, Mapping[str, str]]] = {}  # language to (English text to its translation)

_RTL_SCRIPTS: Final = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg", "Mand", "Samr"})
_RTL: Final = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "nqo", "prs", "ps", "sd", "syr", "ug", "ur", "yi"}
)


def direction(lang: str) -> str:
    """`rtl` or `ltr`; a script written in the tag counts more than the language's usual one."""
    primary, *rest = lang.replace("_", "-").split("-")
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), "")
    if script:
        return "rtl" if script in _RTL_SCRIPTS else "ltr"
    return "rtl" if primary.lower() in _RTL else "ltr"


def accepted(header: str) -> tuple[str, ...]:
    """Languages of an Accept-Language header, best first; what is not of its form is left out."""
    weighed: list[tuple[float, str]] = []
    for part in header[:MAX_HEADER_CHARS].split(",")[:MAX_ACCEPTED]:
        tag, _, parameter = part.partition(";")
        try:
            weight = float(parameter.partition("=")[2]) if parameter else 1.0
        except ValueError:
            continue
        tag = tag.strip()
        if weight > 0 and tag.replace("-", "").isalnum() and tag.isascii():
            weighed.append((-weight, tag))
    return tuple(tag for _, tag in sorted(weighed, key=lambda pair: pair[0]))


_SYSTEMS: Final = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "Mac",
                   "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip
_BROWSERS: Final = {"Firefox/": "Firefox", "FxiOS/": "Firefox", "Edg": "Edge", "OPR/": "Opera",
                    "SamsungBrowser/": "Samsung", "CriOS/": "Chrome", "Chrome/": "Chrome",
                    "Safari/": "Safari"}  # fmt: skip


def browser_name(agent: str) -> str:
    """What a person would call a browser: enough to know one's own phone again, too little to follow it."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in agent[:MAX_HEADER_CHARS]), "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in agent[:MAX_HEADER_CHARS]), "")
    return " · ".join(filter(None, (browser, system)))


@lru_cache(256)
def _locale(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a page is made for."""

    languages: tuple[str, ...] = ()

    @property
    def lang(self) -> str:
        """The language of the interface."""
        return next((tag for tag in self.languages if tag.partition("-")[0] in CATALOGUES), INTERFACE)

    @property
    def locale(self) -> Locale:
        """How dates and numbers are written: the first language of the reader that is known."""
        found = (_locale(tag) for tag in self.languages)
        return next((loc for loc in found if loc is not None), Locale(INTERFACE))

    def t(self, text: str, **values: Any) -> str:
        """A text of the interface, with its values put in."""
        translated = CATALOGUES.get(self.lang.partition("-")[0], {}).get(text, text)
        return translated.format(**values) if values else translated

    def n(self, one: str, many: str, count: int) -> str:
        """A text that counts; `{count}` is written as the reader writes numbers."""
        return self.t(one if count == 1 else many, count=self.number(count))

    def number(self, value: int) -> str:
        """A number with the reader's separators."""
        return format_decimal(value, locale=self.locale)

    def date(self, at: int) -> str:
        """A day."""
        return format_date(datetime.fromtimestamp(at, UTC).date(), format="medium", locale=self.locale)

    def time(self, at: int) -> str:
        """A moment to the minute, in UTC and saying so; the second stands in `iso`, for machines."""
        moment = datetime.fromtimestamp(at, UTC)
        day, hour = format_date(moment, "medium", self.locale), format_time(moment, "short", locale=self.locale)
        return f"{day}, {hour} UTC"

    def iso(self, at: int) -> str:
        """A moment for machines."""
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def language(self, tag: str) -> str:
        """A language's name, as the reader calls it."""
        found = _locale(tag) or _locale(tag.partition("-")[0])
        return (found.get_display_name(self.locale) if found else None) or tag

    def region(self, code: str) -> str:
        """A country's or region's name, as the reader calls it."""
        country = code.partition("-")[0]
        name = self.locale.territories.get(country)
        return f"{name} ({code})" if name and country != code else str(name or code)

    def size(self, size: int) -> str:
        """A file's size."""
        value, unit = float(size), "B"
        for unit in ("B", "KB", "MB", "GB"):
            if value < 1024 or unit == "GB":
                break
            value /= 1024
        return f"{format_decimal(round(value, 1 if value < 10 and unit != 'B' else 0), locale=self.locale)} {unit}"
