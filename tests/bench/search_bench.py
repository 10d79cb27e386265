"""How fast the default engine indexes, finds and erases, on a synthetic library; `python -m tests.bench.search_bench`.

The library is the same in every run: 4 KB documents in six scripts, words drawn by Zipf's law from stems and endings.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from search.document import Entry, Viewer
from search.query import Query, make_query
from search.tantivy_engine import TantivyEngine

NOW = 1_800_000_000
TEXT_BYTES = 4_000
PAGE_ENTRIES = 1_000
WORDS_PER_LANGUAGE = 20_000
EVERYONE = frozenset(Viewer)

_SYLLABLES = {
    "en": "ba co di fa gre hol in ka lun mor ne pra qui ro sta ther un vel wor ya",
    "es": "ca de la mi ño pra que ri so tá ve za gua fle bri al por tro nú cé",
    "ru": "ба во ги до жи за ко лю мы не об пра ро сте ту ух чи ша эк ям",
    "ar": "با تي جو حا در را سل شم صا ضي طو عا فل قي كم لو مر نا هد وز",
    "hi": "का खि गु चे जा टो डी ता दे नि पा बो मे या री ला वि सा हो शी",
    "zh": "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要 他 时 来 用 们 生 到 作 地 于 出",
}
_ENDINGS = {"en": ["", "s", "ing", "ed", "er"], "es": ["", "s", "ción", "ando", "o"], "ru": ["", "а", "ов", "ами"]}
_TOPICS = [f"topic-{i}" for i in range(60)]
_REGIONS = [f"region-{i}" for i in range(12)]
_KINDS = ["case_study", "after_action_review", "checklist", "toolkit", "template", "learning_module", "story", "guide"]


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """What one run measured; times in the unit of the name."""

    documents: int
    text_mb: float
    index_docs_per_s: float
    index_cpu_ms_per_document: float  # of all threads: what a busy machine distorts least
    load_average: float  # when the queries ran; above the number of cores the times say little
    visible_after_one_put_ms: float
    query_p50_ms: float
    query_p95_ms: float
    query_p99_ms: float
    typo_p95_ms: float
    erase_one_s: float
    erase_fifty_s: float
    index_mb: float


class Library:
    """A deterministic library."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.words = {lang: self._make_words(lang) for lang in _SYLLABLES}
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(WORDS_PER_LANGUAGE)))

    def _make_words(self, lang: str) -> list[str]:
        syllables, endings = _SYLLABLES[lang].split(), _ENDINGS.get(lang, [""])
        words: dict[str, None] = {}
        while len(words) < WORDS_PER_LANGUAGE:
            stem = "".join(self._random.choices(syllables, k=self._random.randint(2, 4)))
            words[stem + self._random.choice(endings)] = None
        return list(words)

    def text(self, lang: str) -> str:
        """About 4 KB of UTF-8."""
        count = TEXT_BYTES // (len(" ".join(self.words[lang][:500]).encode()) // 500 + 1)
        return " ".join(self._random.choices(self.words[lang], cum_weights=self._weights, k=count))

    def entry(self, number: int) -> Entry:
        """One record: a third in English, one in fifty for stewards only, one in ten for members only."""
        rng = self._random
        lang = rng.choice(["en", "en", "en", "es", "es", "ru", "ar", "hi", "zh"])
        viewers = EVERYONE
        if number % 50 == 0:
            viewers = frozenset({Viewer.STEWARDS})
        elif number % 10 == 0:
            viewers = frozenset({Viewer.MEMBERS, Viewer.STEWARDS})
        return Entry(
            key=f"did:key:z6Mkorigin{number % 7}/{number:08d}",
            viewers=viewers,
            lang=lang,
            title=" ".join(rng.choices(self.words[lang], cum_weights=self._weights, k=6)),
            text=self.text(lang),
            kind=rng.choice(_KINDS),
            origin=f"did:key:z6Mkorigin{number % 7}",
            updated=NOW - number,
            topics=tuple(rng.sample(_TOPICS, 3)),
            regions=(rng.choice(_REGIONS),),
            purposes=("learning", "research"),
            year=2000 + number % 25,
            licence="CC-BY-4.0",
            until=NOW + number if number % 20 == 0 else None,
        )

    def queries(self, count: int) -> list[Query]:
        """One to three words of ranks 20 to 10,000, evenly by logarithm; half with a filter, two facets counted."""
        rng = self._random
        queries = []
        for i in range(count):
            words = self.words[rng.choice(["en", "en", "es", "ru", "ar", "hi", "zh"])]
            text = " ".join(words[int(20 * 500 ** rng.random())] for _ in range(rng.randint(1, 3)))
            filters = {"kind": [rng.choice(_KINDS)]} if i % 2 else {}
            queries.append(make_query(text, filters=filters, facets=("kind", "topic")))
        return queries

    def typos(self, count: int) -> list[Query]:
        """Words with one letter doubled that no document holds."""
        rng = self._random
        picked = [self.words["en"][rng.randint(0, 5_000)] for _ in range(count)]
        return [make_query(word[:4] + word[3] + word[4:], facets=("kind", "topic")) for word in picked if len(word) > 4]


def _percentile(sorted_ms: Sequence[float], share: float) -> float:
    return sorted_ms[min(len(sorted_ms) - 1, int(len(sorted_ms) * share))]


def _timed(engine: TantivyEngine, queries: Sequence[Query]) -> list[float]:
    times = []
    for query in queries:
        start = time.perf_counter()
        engine.search(query, Viewer.MEMBERS, NOW)
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


def _pages(library: Library, count: int) -> Iterator[list[Entry]]:
    for first in range(0, count, PAGE_ENTRIES):
        yield [library.entry(number) for number in range(first, min(count, first + PAGE_ENTRIES))]


def run(documents: int = 10_000, queries: int = 500, folder: Path | None = None) -> SearchFigures:
    """Measure everything at this number of documents; the folder is removed at the end."""
    place = Path(tempfile.mkdtemp(dir=folder))
    library = Library()
    engine = TantivyEngine(place)
    database: dict[str, Entry] = {}
    indexing = cpu = 0.0
    text_bytes = 0
    try:
        for page in _pages(library, documents):
            database.update((entry.key, entry) for entry in page)
            text_bytes += sum(len(entry.text.encode()) for entry in page)
            start, cpu_start = time.perf_counter(), time.process_time()
            engine.apply(page, (), len(database), more=len(database) < documents)  # as a node's rebuild does
            indexing += time.perf_counter() - start
            cpu += time.process_time() - cpu_start
        asked = library.queries(queries)
        _timed(engine, asked[:20])
        times = _timed(engine, asked)
        load = round(os.getloadavg()[0], 1)
        typos = _timed(engine, library.typos(40))
        put = _visible_after(engine, library.entry(documents))
        index_bytes = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        keys = list(database)
        return SearchFigures(
            documents=documents,
            text_mb=round(text_bytes / 1e6, 1),
            index_docs_per_s=round(documents / indexing),
            index_cpu_ms_per_document=round(cpu / documents * 1000, 3),
            load_average=load,
            visible_after_one_put_ms=round(put, 1),
            query_p50_ms=round(_percentile(times, 0.5), 2),
            query_p95_ms=round(_percentile(times, 0.95), 2),
            query_p99_ms=round(_percentile(times, 0.99), 2),
            typo_p95_ms=round(_percentile(typos, 0.95), 1),
            erase_one_s=round(_erase(engine, database, keys[documents // 2 :][:1]), 2),
            erase_fifty_s=round(_erase(engine, database, keys[1 :: max(1, documents // 50 - 1)][:50]), 2),
            index_mb=round(index_bytes / 1e6, 1),
        )
    finally:
        engine.close()
        shutil.rmtree(place)


def _visible_after(engine: TantivyEngine, entry: Entry) -> float:
    start = time.perf_counter()
    engine.apply([entry], (), 1)
    return (time.perf_counter() - start) * 1000


def _erase(engine: TantivyEngine, database: dict[str, Entry], keys: Sequence[str]) -> float:
    for key in keys:
        database.pop(key, None)
    start = time.perf_counter()
    engine.erase(keys, lambda wanted: [database[key] for key in wanted if key in database])
    return time.perf_counter() - start


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=500)
    chosen = parser.parse_args()
    print(json.dumps(asdict(run(chosen.documents, chosen.queries)), indent=2))


if __name__ == "__main__":
    main()
