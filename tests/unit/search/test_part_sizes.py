"""Parts of the default engine: small ones first, so that erasing from a small library writes few entries again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from search import tantivy_engine, tantivy_plan
from search.document import Entry, Viewer
from search.query import make_query
from search.tantivy_engine import TantivyEngine


def entry(number: int) -> Entry:
    return Entry(f"did:key:a/{number}", frozenset(Viewer), "en", f"Plan {number}", "a text", "guide", "did:key:a", 1)


def parts(folder: Path) -> int:
    return len(list((folder / "parts").iterdir()))


def test_a_small_tier_has_small_parts_and_a_large_one_goes_on_in_large_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tantivy_engine, "SMALL_PART_ENTRIES", 2)
    monkeypatch.setattr(tantivy_engine, "SMALL_TIER_ENTRIES", 4)
    engine = TantivyEngine(tmp_path, part_entries=10)
    engine.apply([entry(n) for n in range(4)], [], 1)
    assert parts(tmp_path) == 2
    engine.apply([entry(n) for n in range(4, 16)], [], 2)
    assert parts(tmp_path) == 4  # 2 + 2 + 2, and the rest together
    assert engine.count(Viewer.PUBLIC, 0) == 16
    engine.close()


def test_parts_asked_in_two_threads_answer_as_in_one_and_many_may_ask_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TantivyEngine(tmp_path, part_entries=3)
    engine.apply([entry(n) for n in range(40)], [], 1)
    assert parts(tmp_path) >= tantivy_plan.MIN_SHARED_PARTS
    queries = [make_query(text, facets=("kind",)) for text in ("plan", "plan 7", "text plan 3", "nowhere")]
    with ThreadPoolExecutor(8) as readers:
        shared = list(readers.map(lambda q: engine.search(q, Viewer.PUBLIC, 0), queries * 10))
    monkeypatch.setattr(tantivy_plan, "MIN_SHARED_PARTS", 1_000)
    assert shared == [engine.search(q, Viewer.PUBLIC, 0) for q in queries] * 10
    engine.close()
