"""The terms of whole texts for an index, at bulk speed: the same terms as `analysis.analyse`, without its offsets.

Most words of a text have been seen before. A text is cut at ASCII marks and spaces, which costs nothing, and each
chunk's terms come from a cache; only a new chunk is analysed. What a cache returns depends on nothing but the chunk.
Nothing here runs once for each word but C: look-ups are mapped, results joined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from search.analysis import (
    GRAM_OF,
    MAX_DICTIONARY_WORD,
    MAX_TERM_CHARS,
    MIN_COMPOUND_CHARS,
    cut_grams,
    raw_tokens,
    whole_word,
    word_grams,
    word_terms,
)
from search.document import primary_language
from search.scripts import APOSTROPHES, HAN, HAS_GRAM_SCRIPT, SCRIPT_RUN, compose, is_token, simplify_han, token_pattern
from search.stemming import COMPOUNDING, DOTTED_I_LANGUAGES, GRAM_LANGUAGES, has_rules, host_language, stem

CACHE_CHARS: Final = 1_000_000  # of chunks a language, about 30 MB with their terms; Zipf keeps most look-ups inside
MAX_LANGUAGES: Final = 64  # of the caches: a text cannot fill memory by inventing language tags
MAX_CHUNK_CHARS: Final = 48  # longer ones are clauses of scripts without spaces, or keys: they seldom come again
MAX_CACHED_GRAMS: Final = 8  # characters of a run of grams that may come again


@dataclass(frozen=True, slots=True)
class IndexTerms:
    """A text's terms for the three fields of an index, each separated by spaces.

    `body` keeps order and repetition. `words`, the dictionary of what was written, means a set.
    """

    body: str
    side: str
    words: str


def _spaces(is_lowered: bool) -> bytes:
    kept = (chr(code) if chr(code).isalnum() or chr(code) == "'" else " " for code in range(128))
    table = "".join(kept)
    return (table.lower() if is_lowered else table).encode() + bytes(range(128, 256))


_CUT_ONLY: Final = _spaces(is_lowered=False)
_CUT_AND_LOWER: Final = _spaces(is_lowered=True)  # a case less in the cache; casefolding would do it anyway


class _Cuts(dict[str, str]):
    """Chunk to its body terms in one language, beside it side terms and dictionary words.

    It is never emptied, only replaced when it is full, so that a thread that holds it keeps what it has seen.
    """

    def __init__(self, lang: str) -> None:
        super().__init__()
        self.side: dict[str, str] = {}
        self.odd: dict[str, str] = {}  # dictionary words where they are not the chunk itself: few, so looked up quickly
        self.chars = 0
        self.table = _CUT_ONLY if lang in DOTTED_I_LANGUAGES else _CUT_AND_LOWER
        self.has_runs = lang in GRAM_LANGUAGES
        self.max_chunk = MAX_CACHED_GRAMS if self.has_runs else MAX_CHUNK_CHARS
        # Twins and compound grams mean a set; where every word has grams, their repetition is how often it occurs.
        self.is_side_set = has_rules(lang)
        self._lang = lang
        self._host = host_language(lang, "latin")
        self._is_plain = has_rules(self._host) and self._host not in DOTTED_I_LANGUAGES
        self._has_compounds = self._host in COMPOUNDING

    def __missing__(self, chunk: str) -> str:
        is_plain = self._is_plain and chunk.isascii() and chunk.isalnum() and not chunk.isdigit()
        body, side, words = self._plain(chunk) if is_plain else self.cut(chunk)
        self.chars += len(chunk)
        if side:
            self.side[chunk] = side
        if words != chunk:
            self.odd[chunk] = words
        self[chunk] = body
        return body

    def _plain(self, chunk: str) -> tuple[str, str, str]:
        """The short way for most words of most texts: nothing to compose, fold or split. Same result as `cut`."""
        word = chunk.lower()[:MAX_TERM_CHARS]
        has_grams = self._has_compounds and len(word) >= MIN_COMPOUND_CHARS
        side = " ".join(word_grams(word)) if has_grams else ""
        return stem(word, self._host), side, word if len(word) <= MAX_DICTIONARY_WORD else ""

    def cut(self, chunk: str) -> tuple[str, str, str]:
        """The terms of a chunk by analysis; in texts of runs without single characters, see `_characters`."""
        run = SCRIPT_RUN.fullmatch(chunk)
        if run and run.lastgroup not in GRAM_OF and is_token(chunk):
            term, beside, word = word_terms(chunk.strip(APOSTROPHES), self._lang)
            return term, " ".join(beside), word
        body: list[str] = []
        side: list[str] = []
        words: list[str] = []
        for raw, _ in raw_tokens(chunk):
            for run in SCRIPT_RUN.finditer(raw):
                if size := GRAM_OF.get(run.lastgroup or ""):
                    composed = simplify_han(compose(run.group()))
                    body += cut_grams(composed, size)
                    words += whole_word(composed, size)
                    if not self.has_runs:
                        words += set(HAN.findall(composed))
                else:
                    term, beside, word = word_terms(run.group().strip(APOSTROPHES), self._lang)
                    body.append(term)
                    side += beside
                    words.append(word)
        return _joined(body), " ".join(side), _joined(words)


_caches: dict[str, _Cuts] = {}


def _cuts_of(lang: str) -> _Cuts:
    cuts = _caches.get(lang)
    if cuts is None or cuts.chars >= CACHE_CHARS:
        if len(_caches) >= MAX_LANGUAGES:
            _caches.clear()
        cuts = _caches[lang] = _Cuts(lang)
    return cuts


def _chunks(text: str, cuts: _Cuts) -> tuple[list[str], set[str]]:
    """The chunks of a text in order, and each once. Long ones are cut further, so that they are no chunks of marks."""
    chunks = text.encode("utf-8", "replace").translate(cuts.table).decode().split()
    distinct = set(chunks)
    longest = cuts.max_chunk
    if max(map(len, distinct), default=0) <= longest:
        return chunks, distinct
    cut = token_pattern().findall
    chunks = [part for c in chunks for part in ((c,) if len(c) <= longest else cut(c))]
    return chunks, set(chunks)


def _characters(text: str) -> set[str]:
    """The Han characters of a text, as dictionary words; those that no version of Unicode here knows are no tokens."""
    known = filter(str.isalnum, HAN.findall("".join(set(text))))
    return set(simplify_han(compose("".join(known))))


def _of_runs(text: str, cuts: _Cuts) -> IndexTerms:
    """The terms of a text in a script without spaces: its clauses are cut each time, only short runs are cached."""
    chunks, distinct = _chunks(text, cuts)
    long = [c for c in distinct if len(c) > MAX_CACHED_GRAMS and HAS_GRAM_SCRIPT.search(c)]
    clauses = {c: cuts.cut(c) for c in long}
    short = distinct.difference(clauses)
    body = {c: terms for c, (terms, _, _) in clauses.items()} | {c: cuts[c] for c in short}
    side = {c: terms for c, (_, terms, _) in clauses.items() if terms}
    side |= {c: cuts.side[c] for c in cuts.side.keys() & short}
    words = {*map(cuts.odd.get, short, short), *(words for _, _, words in clauses.values()), *_characters(text)}
    beside = map(side.get, chunks) if side else ()
    return IndexTerms(_joined(map(body.__getitem__, chunks)), _joined(beside), _joined(words))


def _joined(terms: Iterable[str | None]) -> str:
    return " ".join(filter(None, terms))


def index_terms(text: str, lang: str) -> IndexTerms:
    """The terms of a text as the engines index them."""
    cuts = _cuts_of(primary_language(lang))
    if cuts.has_runs:
        return _of_runs(text, cuts)
    chunks, distinct = _chunks(text, cuts)
    body = " ".join(map(cuts.__getitem__, chunks))
    beside: Iterable[str] = ()
    if cuts.side:
        beside = cuts.side.keys() & distinct if cuts.is_side_set else chunks
    words = " ".join(map(cuts.odd.get, distinct, distinct))
    return IndexTerms(body, _joined(map(cuts.side.get, beside)), words)


def body_terms(text: str, lang: str) -> str:
    """The body terms of a text alone."""
    cuts = _cuts_of(primary_language(lang))
    return " ".join(map(cuts.__getitem__, _chunks(text, cuts)[0]))
