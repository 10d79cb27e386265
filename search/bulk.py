"""The terms of whole texts for an index, at bulk speed: the same terms as `analysis.analyse`, without its offsets.

Most words of a text have been seen before. A text is cut at ASCII marks and spaces, which costs nothing, and each
chunk's terms come from a cache; only a new chunk is analysed. What a cache returns depends on nothing but the chunk.
"""

from __future__ import annotations

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
    word_piece,
)
from search.document import primary_language
from search.scripts import HAN, HAS_GRAM_SCRIPT, SCRIPT_RUN, compose, simplify_han, token_pattern
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
        self.words: dict[str, str] = {}
        self.chars = 0
        self.table = _CUT_ONLY if lang in DOTTED_I_LANGUAGES else _CUT_AND_LOWER
        self.has_runs = lang in GRAM_LANGUAGES
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
        self.words[chunk] = words
        self[chunk] = body
        return body

    def _plain(self, chunk: str) -> tuple[str, str, str]:
        """The short way for most words of most texts: nothing to compose, fold or split. Same result as `cut`."""
        word = chunk.lower()[:MAX_TERM_CHARS]
        has_grams = self._has_compounds and len(word) >= MIN_COMPOUND_CHARS
        side = " ".join(word_grams(word)) if has_grams else ""
        return stem(word, self._host), side, word if len(word) <= MAX_DICTIONARY_WORD else ""

    def cut(self, chunk: str) -> tuple[str, str, str]:
        """The terms of a chunk by analysis."""
        body: list[str] = []
        side: list[str] = []
        words: list[str] = []
        for raw, _ in raw_tokens(chunk):
            for run in SCRIPT_RUN.finditer(raw):
                if size := GRAM_OF.get(run.lastgroup or ""):
                    composed = simplify_han(compose(run.group()))
                    body += cut_grams(composed, size)
                    words += {*HAN.findall(composed), *whole_word(composed, size)}
                else:
                    piece = word_piece(run.group(), self._lang)
                    if piece.body:
                        body.append(piece.body)
                        side += piece.side
                        words += piece.words
        return " ".join(body), " ".join(side), " ".join(words)


_caches: dict[str, _Cuts] = {}


def _cuts_of(lang: str) -> _Cuts:
    cuts = _caches.get(lang)
    if cuts is None or cuts.chars >= CACHE_CHARS:
        if len(_caches) >= MAX_LANGUAGES:
            _caches.clear()
        cuts = _caches[lang] = _Cuts(lang)
    return cuts


def _chunks(text: str, cuts: _Cuts) -> list[str]:
    if cuts.has_runs:
        return token_pattern().findall(text)
    chunks = text.encode("utf-8", "replace").translate(cuts.table).decode().split()
    if max(map(len, chunks), default=0) <= MAX_CHUNK_CHARS:
        return chunks
    return [part for c in chunks for part in ((c,) if len(c) <= MAX_CHUNK_CHARS else token_pattern().findall(c))]


def _of_runs(tokens: list[str], cuts: _Cuts) -> IndexTerms:
    """The terms of a text in a script without spaces: its clauses are cut each time, only short runs are cached."""
    distinct = set(tokens)
    clauses = {t: cuts.cut(t) for t in distinct if len(t) > MAX_CACHED_GRAMS and HAS_GRAM_SCRIPT.search(t)}
    body = " ".join([clauses[t][0] if t in clauses else cuts[t] for t in tokens])
    short = distinct - clauses.keys()
    side = [terms for t in tokens if (terms := clauses[t][1] if t in clauses else cuts.side.get(t))]
    words = " ".join([*map(cuts.words.__getitem__, short), *(words for _, _, words in clauses.values())])
    return IndexTerms(body, " ".join(side), " ".join(set(words.split())))


def index_terms(text: str, lang: str) -> IndexTerms:
    """The terms of a text as the engines index them."""
    cuts = _cuts_of(primary_language(lang))
    chunks = _chunks(text, cuts)
    if cuts.has_runs:
        return _of_runs(chunks, cuts)
    distinct = set(chunks)
    body = " ".join(map(cuts.__getitem__, chunks))
    beside = (distinct if cuts.is_side_set else chunks) if cuts.side else ()
    side = " ".join(filter(None, map(cuts.side.get, beside)))
    words = " ".join(map(cuts.words.__getitem__, distinct))
    return IndexTerms(body, side, words)


def body_terms(text: str, lang: str) -> str:
    """The body terms of a text alone."""
    cuts = _cuts_of(primary_language(lang))
    return " ".join(map(cuts.__getitem__, _chunks(text, cuts)))
