"""Analysis: text to index terms, ours and pure, so that every engine finds the same records.

A text is cut into raw tokens (letters, numbers, marks), each token into runs of one script, each run by its script:
words by the language's rules, Chinese, Japanese and Korean into 2-grams, Thai, Lao, Khmer and Burmese into 3-grams.
One cut serves queries and snippets, and `bulk` gives its terms at speed, so what is found can always be shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import Final

from search.document import primary_language
from search.scripts import APOSTROPHES, HAN, SCRIPT_RUN, compose, fold, simplify_han, token_pattern
from search.stemming import (
    COMPOUNDING,
    DOTTED_I_LANGUAGES,
    bare,
    dotted,
    has_rules,
    host_language,
    script_of,
    term,
    unaccented,
)

MAX_TERM_CHARS: Final = 64  # longer tokens are keys and addresses; their beginning finds them
EAST_GRAM: Final = 2
SOUTH_EAST_GRAM: Final = 3
GRAM_OF: Final = {"east": EAST_GRAM, "hangul": EAST_GRAM, "southeast": SOUTH_EAST_GRAM}  # by the kind of a run
WORD_GRAM: Final = 3
MIN_WORD_FOR_GRAMS: Final = 4  # a word of three letters is its own 3-gram
MAX_DICTIONARY_WORD: Final = 32  # longer runs are no words that someone would complete or mistype
MIN_COMPOUND_CHARS: Final = 10  # two parts of five letters, the shortest that are looked for inside
GRAM_MARK: Final = "3_"  # no token holds an underscore, so a 3-gram never meets a word
SURFACE_MARK: Final = "|"  # dictionary words: folded form, then this and the written form where they differ


@dataclass(frozen=True, slots=True)
class Token:
    """One index term and the characters of the original text it stands for."""

    term: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's part with all it is known by: body term, side terms (twins and 3-grams), dictionary words."""

    body: str
    side: tuple[str, ...]
    words: tuple[str, ...]
    start: int
    end: int


def dictionary_word(written: str, plain: str) -> str:
    """A composed word as the dictionary holds it: by its folded form `plain`, with the written form to show."""
    return plain if plain == written else f"{plain}{SURFACE_MARK}{written}"


def shown(word: str) -> str:
    """The written form of a dictionary word."""
    return word.rsplit(SURFACE_MARK, 1)[-1]


def folded(word: str) -> str:
    """The folded form of a dictionary word."""
    return word.split(SURFACE_MARK, 1)[0]


def word_grams(word: str) -> list[str]:
    """The marked 3-grams of a folded word, none for short ones."""
    if len(word) < MIN_WORD_FOR_GRAMS:
        return []
    return [GRAM_MARK + word[i : i + WORD_GRAM] for i in range(len(word) - WORD_GRAM + 1)]


def written_form(raw: str, lang: str) -> str:
    """A raw word composed and bare: what the dictionary shows and the stemmer gets."""
    return bare(compose(dotted(raw, lang)), lang)[:MAX_TERM_CHARS]


def word_terms(raw: str, lang: str) -> tuple[str, Sequence[str], str]:
    """Body term, side terms and dictionary word of one run of a script that writes words, bare of apostrophes.

    All are empty if nothing but marks is in the run, or no stem is left; the dictionary word if it is too long for one.
    """
    composed = compose(raw)
    host = host_language(lang, script_of(composed))
    if host in DOTTED_I_LANGUAGES:
        composed = compose(dotted(raw, host))
    word = bare(composed, host)[:MAX_TERM_CHARS]
    if not word:
        return "", (), ""
    body, plain = term(word, host), fold(word)
    if not body:
        return "", (), ""
    side: list[str] = []
    if has_rules(host):
        if twin := unaccented(word, plain, body, host):
            side.append(twin)
        if host in COMPOUNDING and len(word) >= MIN_COMPOUND_CHARS:
            side += word_grams(plain)
    else:
        side = word_grams(body)
    return body, side, dictionary_word(word, plain) if len(word) <= MAX_DICTIONARY_WORD else ""


def word_piece(quoted: str, lang: str, begin: int = 0) -> Piece:
    """The piece of one run of a script that writes words; its body is empty if nothing but marks is in it."""
    raw = quoted.lstrip(APOSTROPHES)
    start = begin + len(quoted) - len(raw)
    raw = raw.rstrip(APOSTROPHES)
    body, side, word = word_terms(raw, lang)
    return Piece(body, tuple(side), (word,) if word else (), start, start + len(raw))


def _with_origins(run: str) -> tuple[str, list[int] | None]:
    """The run composed, and for each of its characters the index it came from (None where composing mixed them)."""
    composed = compose(run)
    if len(composed) == len(run):
        return composed, list(range(len(run)))
    single = [unicodedata.normalize("NFKC", char).casefold() for char in run]
    if "".join(single) != composed:
        return composed, None
    return composed, [i for i, chars in enumerate(single) for _ in chars]


def cut_grams(composed: str, size: int) -> list[str]:
    """The grams of a composed, simplified run; a shorter run is one gram."""
    if size == EAST_GRAM and len(composed) >= size:
        return list(map(add, composed, composed[1:]))
    return [composed[i : i + size] for i in range(max(1, len(composed) - size + 1))]


def whole_word(composed: str, size: int) -> tuple[str, ...]:
    """The dictionary word that a composed run of grams is as a whole: none with Han in it, where it may be a clause."""
    if len(composed) > MAX_DICTIONARY_WORD or (size == EAST_GRAM and HAN.search(composed)):
        return ()
    return (dictionary_word(composed, fold(composed)),)


def _gram_pieces(run: str, size: int, start: int) -> Iterator[Piece]:
    composed, origins = _with_origins(run)
    composed = simplify_han(composed)
    whole = whole_word(composed, size)
    for i, gram in enumerate(cut_grams(composed, size)):
        begin, end = start, start + len(run)
        if origins:
            end = start + origins[i + len(gram) - 1] + 1
            begin = start + origins[i]
        singles = tuple(dict.fromkeys(HAN.findall(gram)))
        yield Piece(gram, (), singles if i else singles + whole, begin, end)


def pieces(raw: str, lang: str, start: int = 0) -> Iterator[Piece]:
    """The pieces of one raw token in a text of the primary language `lang`; `start` is the token's offset."""
    for run in SCRIPT_RUN.finditer(raw):
        begin = start + run.start()
        if size := GRAM_OF.get(run.lastgroup or ""):
            yield from _gram_pieces(run.group(), size, begin)
        else:
            piece = word_piece(run.group(), lang, begin)
            if piece.body:
                yield piece


def raw_tokens(text: str) -> Iterator[tuple[str, int]]:
    """The raw tokens of a text with their offsets."""
    return ((match.group(), match.start()) for match in token_pattern().finditer(text))


def analyse(text: str, lang: str) -> list[Token]:
    """The body terms of a text of the language `lang` (BCP 47) in order, with offsets into the text as given."""
    primary = primary_language(lang)
    return [
        Token(piece.body, piece.start, piece.end)
        for raw, start in raw_tokens(text)
        for piece in pieces(raw, primary, start)
    ]
