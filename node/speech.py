"""Speaking to people in their language: gettext catalogues in `node/locale`, numbers, dates and lists by Babel (CLDR).

English texts are the keys. A catalogue is read once, when somebody first needs it; what it lacks is said in English.
`make words` finds the texts (`say("…")`, `say.count("…", "…", n)`, `N_("…")`) and brings the catalogues up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from governance.speech import ENGLISH, Say

LOCALES: Final = Path(__file__).with_name("locale")
DOMAIN: Final = "commonweave"
MAX_TAGS: Final = 10  # as many as are read from a header; a list can be long, and nobody reads more languages
SPEAKERS: Final = 64  # regional forms kept (es-MX, pt-BR, …); each is a few hundred bytes beside its catalogue


class Speaker:
    """A language with its catalogue, and a region's way of writing dates and numbers."""

    def __init__(self, lang: str, locale: Locale, texts: GNUTranslations) -> None:
        self.lang: Final = lang
        self._locale = locale
        self._texts = texts

    def __call__(self, text: str, /, **values: object) -> str:
        """The translation of an English text, with its {names} filled in."""
        translated = self._texts.gettext(text) if text else text
        return translated.format(**values) if values else translated

    def count(self, one: str, many: str, n: int, /, **values: object) -> str:
        """The form that the language has for `n` things."""
        written = format_decimal(n, locale=self._locale)
        return self._texts.ngettext(one, many, n).format(**{"n": written} | values)

    def day(self, seconds: int, /) -> str:
        """A moment as people there write it; UTC, and saying so."""
        try:
            at = datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return self("second {seconds}", seconds=seconds)
        return f"{format_date(at.date(), 'long', self._locale)}, {format_time(at, 'HH:mm', locale=self._locale)} UTC"

    def both(self, items: Sequence[str], /) -> str:
        """A list as people there say it."""
        return format_list(list(items), locale=self._locale)


def speech(langs: Sequence[str]) -> Say:
    """How to speak to somebody who reads these languages (BCP 47 tags, best first); English if none is known here.

    RFC 4647 lookup: `pt-BR` is served by `pt`, with the numbers and dates of Brazil.
    """
    for tag in langs[:MAX_TAGS]:
        for lang in _shorter(tag):
            if lang == ENGLISH.lang:
                return ENGLISH
            if lang in languages():
                return _speaker(lang, tag)
    return ENGLISH


@cache
def languages() -> tuple[str, ...]:
    """The languages spoken here; English, which needs no catalogue, first."""
    found = sorted(path.parts[-3] for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
    return (ENGLISH.lang, *found)


def catalogue_path(lang: str) -> Path:
    """The file with a language's texts."""
    return LOCALES / lang / "LC_MESSAGES" / f"{DOMAIN}.po"


def _shorter(tag: str) -> list[str]:
    parts = tag.strip().replace("_", "-").lower().split("-")
    return ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]


@lru_cache(SPEAKERS)
def _speaker(lang: str, tag: str) -> Speaker:
    return Speaker(lang, _locale(tag) or Locale(lang), _texts(lang))


@cache
def _texts(lang: str) -> GNUTranslations:
    """A catalogue as read; through the binary form in memory, because gettext then knows the plural rule."""
    binary = BytesIO()
    with catalogue_path(lang).open("rb") as file:
        write_mo(binary, read_po(file, locale=lang, abort_invalid=True))
    binary.seek(0)
    return GNUTranslations(binary)


def _locale(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag.strip().replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        return None
