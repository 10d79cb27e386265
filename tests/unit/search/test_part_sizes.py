"""Parts of the default engine: small ones first, so that erasing from a small library writes few entries again."""

from __future__ import annotations

from pathlib import Path

import pytest

from search import tantivy_engine
from search.document import Entry, Viewer
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
