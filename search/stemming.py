"""Words of one language to index terms: Snowball where a stemmer exists, our own light rules for Arabic.

Input is a composed, casefolded word of a script that writes spaces; output is folded. The order is fixed: dots and
elision, stem, fold. Stemmers know accents, readers' keyboards often do not, so the unaccented writing of a word gets
its own term (`unaccented`) when it would stem differently.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from typing import Final, Protocol

import snowballstemmer

from search.scripts import APOSTROPHES, fold, is_token

# BCP 47 primary subtag to the Snowball algorithm. Croatian and Bosnian share the Serbian one, which writes Latin.
STEMMERS: Final = {
    "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "eo": "esperanto",
    "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french",
    "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian",
    "lt": "lithuanian", "ms": "indonesian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "hr": "serbian", "bs": "serbian", "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
ARABIC: Final = "ar"
VIETNAMESE: Final = "vi"
# Languages that write compounds as one word: 3-grams of their long words let a part find the whole.
COMPOUNDING: Final = frozenset({"da", "de", "et", "fi", "hu", "is", "nb", "nl", "nn", "no", "sv"})
GRAM_LANGUAGES: Final = frozenset({"zh", "yue", "wuu", "ja", "ko", "th", "lo", "km", "my"})

# Which script a language's words are written in, where it is not Latin: a word is analysed by languages of its script.
_SCRIPT_OF: Final = (
    dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "ky", "mn", "tg", "tt"), "cyrillic")
    | dict.fromkeys(("hi", "ne", "mr", "sa", "mai", "bho"), "devanagari")
    | dict.fromkeys(("ar", "fa", "ur", "ps", "ug", "sd", "ckb", "dv"), "arabic")
    | dict.fromkeys(("he", "yi", "bn", "as", "gu", "pa", "te", "ml", "kn", "or", "si", "ka", "am", "ti"), "other")
    | dict.fromkeys(GRAM_LANGUAGES, "grams")
    | {"el": "greek", "ta": "tamil", "hy": "armenian", "sr": "cyrillic latin", "uz": "cyrillic latin"}
)
# Who analyses a word of a script that the text's own language does not write.
_GUEST: Final = {
    "latin": "en", "cyrillic": "ru", "greek": "el", "devanagari": "hi", "tamil": "ta", "armenian": "hy", "arabic": "ar",
}  # fmt: skip
_SCRIPTS: Final = {
    "latin": re.compile("[a-z\u00df-\u024f\u1e00-\u1eff]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "devanagari": re.compile("[\u0900-\u097f]"),
    "tamil": re.compile("[\u0b80-\u0bff]"),
    "armenian": re.compile("[\u0530-\u058f]"),
    "arabic": re.compile("[\u0600-\u06ff]"),
}

_ONE_SCRIPT: Final = re.compile("|".join(f"(?P<{name}>{letters.pattern}+)" for name, letters in _SCRIPTS.items()))

_ANY_APOSTROPHE: Final = re.compile(f"[{APOSTROPHES}]")
_ELISION_LANGUAGES: Final = frozenset({"fr", "it", "ca", "oc", "lmo", "fur"})
_ELISION: Final = re.compile(
    "^(?:jusqu|lorsqu|puisqu|quoiqu|presqu|quelqu|qu|[cdjlmnst]|dell|nell|sull|all|dall|coll|un|quest|quell|sant|gl|v)'"
)
DOTTED_I_LANGUAGES: Final = frozenset({"tr", "az"})

_ARABIC_LETTERS: Final = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ئ": "ي", "ؤ": "و", "ة": "ه", "ک": "ك", "ی": "ي", "ہ": "ه"}
    | dict.fromkeys(("ء", "ـ", "ٰ"))
    | {chr(c): None for c in range(0x064B, 0x0660)}
    | {chr(0x0660 + d): str(d) for d in range(10)}
    | {chr(0x06F0 + d): str(d) for d in range(10)}
)
_ARABIC_PREFIXES: Final = ("وال", "بال", "كال", "فال", "ولل", "ال", "لل")
_ARABIC_SUFFIXES: Final = ("ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي")
_ARABIC_DUAL: Final = "ان"  # in short words mostly part of the root
_ARABIC_MIN_STEM: Final = 3  # roots have three letters mostly: a stem shorter than that is not one
_ARABIC_MIN_SUFFIXED: Final = 4


class Stemmer(Protocol):
    """What we use of Snowball."""

    def stemWord(self, word: str) -> str:  # noqa: N802 - the library's name
        """The stem of one word."""
        ...


class _Stemmers(threading.local):
    """One set of stemmers a thread: a Snowball stemmer holds the word it is working on."""

    def __init__(self) -> None:
        self._of: dict[str, Stemmer] = {}

    def get(self, algorithm: str) -> Stemmer:
        """The stemmer: compiled where PyStemmer is installed (fifty times faster), else the same one in Python."""
        found = self._of.get(algorithm)
        if found is None:
            found = self._of[algorithm] = snowballstemmer.stemmer(algorithm)
            if hasattr(found, "maxCacheSize"):
                found.maxCacheSize = 0  # our callers keep what they need; its own cache costs more than a stem
        return found


_stemmers: Final = _Stemmers()


def script_of(word: str) -> str | None:
    """The alphabet of a composed word, None for numbers and scripts without rules of ours."""
    if word.isascii():
        return None if word.isdigit() else "latin"
    if pure := _ONE_SCRIPT.fullmatch(word):
        return pure.lastgroup
    return next((name for name, pattern in _SCRIPTS.items() if pattern.search(word)), None)


def host_language(lang: str, script: str | None) -> str:
    """The language whose rules apply to a word of the script in a text (or for a reader) of `lang`."""
    if script is None or script in _SCRIPT_OF.get(lang, "latin"):
        return lang
    return _GUEST[script]


def has_rules(lang: str) -> bool:
    """True if words need no 3-grams: a stemmer, our Arabic rules, or Vietnamese, which never inflects."""
    return lang in STEMMERS or lang in (ARABIC, VIETNAMESE)


def dotted(text: str, lang: str) -> str:
    """Turkish and Azeri capital I as their own small letters, before casefolding would merge them."""
    if lang in DOTTED_I_LANGUAGES:
        return text.replace("I\u0307", "i").replace("İ", "i").replace("I", "ı")
    return text


def bare(word: str, lang: str) -> str:
    """A composed word without elided articles, apostrophes and what Turkish writes after one."""
    if word.isalnum():
        return word
    if not _ANY_APOSTROPHE.search(word) and is_token(word):
        return word  # with marks, as in Indic scripts
    word = _ANY_APOSTROPHE.sub("'", word)
    if lang in _ELISION_LANGUAGES:
        word = _ELISION.sub("", word)
    elif lang == "tr":
        word = word.split("'", 1)[0]
    elif lang == "en" and word.endswith("'s"):
        word = word[:-2]
    return "".join(c for c in word if c.isalnum() or unicodedata.category(c)[0] == "M")


def arabic_letters(word: str) -> str:
    """Arabic script with one form per letter: no vowel marks, alef, hamza, maqsura, Persian kaf and yeh made one."""
    return word.translate(_ARABIC_LETTERS)


def arabic_stem(word: str) -> str:
    """Light stemming of a normalised Arabic word: conjunction, article and preposition in front, common endings."""
    if len(word) > _ARABIC_MIN_STEM + 1 and word[0] == "و" and not word.startswith("وال"):
        word = word[1:]
    for prefix in _ARABIC_PREFIXES:
        if word.startswith(prefix) and len(word) - len(prefix) >= _ARABIC_MIN_STEM - 1:
            word = word[len(prefix) :]
            break
    stemmed = _arabic_suffix_off(word)
    # A plural of a word that itself ends like a dual: both must come down to the same stem.
    return _arabic_suffix_off(stemmed) if stemmed.endswith(_ARABIC_DUAL) else stemmed


def _arabic_suffix_off(word: str) -> str:
    for suffix in _ARABIC_SUFFIXES:
        shortest = _ARABIC_MIN_STEM if suffix == _ARABIC_DUAL else _ARABIC_MIN_STEM - 1
        if word.endswith(suffix) and len(word) >= max(len(suffix) + shortest, _ARABIC_MIN_SUFFIXED):
            return word[: -len(suffix)]
    return word


def stem(word: str, lang: str) -> str:
    """The folded term of a composed, bare word in one language."""
    if lang == ARABIC:
        return arabic_stem(arabic_letters(word))
    algorithm = STEMMERS.get(lang)
    if algorithm is not None:
        word = _stemmers.get(algorithm).stemWord(word)
    word = fold(word)
    return arabic_letters(word) if script_of(word) == "arabic" else word


def unaccented(word: str, plain: str, own: str, lang: str) -> str | None:
    """The term of the word typed without accents (`plain`), if it differs from the word's own term."""
    if plain == word or script_of(plain) != "latin":
        return None
    other = plain if lang == VIETNAMESE else stem(plain, lang)
    return None if own == other else other


def term(word: str, lang: str) -> str:
    """`stem`, except that Vietnamese keeps its accents, which carry tone; the unaccented twin is a term beside it."""
    return word if lang == VIETNAMESE else stem(word, lang)
