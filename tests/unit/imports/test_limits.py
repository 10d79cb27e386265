"""Sources made to do harm, and the laws that hold for any bytes at all."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.imports import ImportItem, SourceError, open_source
from node.imports import bounded as limits
from node.imports.bounded import Line
from node.imports.jsonl import read_line
from node.views import ImportLine
from tests.unit.imports.reading import OPTIONS, corpus_document, library_record, outcomes, write


def test_a_gzip_bomb_is_stopped(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    with gzip.open(bomb, "wb") as file:
        file.write(b"{")
        for _ in range(90):
            file.write(b" " * 1024 * 1024)
    assert bomb.stat().st_size < 200_000
    with pytest.raises(SourceError, match="unpacks to more than"):
        outcomes(bomb)


def test_a_source_above_the_size_limit_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 1_000)
    with pytest.raises(SourceError, match="larger than"):
        outcomes(write(tmp_path / "a.jsonl", corpus_document(body_markdown="x" * 2_000)))


def test_a_document_above_the_item_limit_is_named(tmp_path: Path) -> None:
    sections = dict.fromkeys(("context", "challenge", "actions", "outcome", "lessons", "trade_offs"), "x" * 1_000_000)
    quotes = [{"id": f"q{n}", "text": "y" * 1_000_000} for n in range(3)]
    big = library_record(sections=sections, quotes=quotes, contributors=[])
    items, problems = outcomes(write(tmp_path / "a.jsonl", big, library_record(source_id="small")))
    assert [i.source_id for i in items] == ["small"]
    assert "at most" in problems[0].problem


def test_a_folder_or_file_that_is_not_there_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "none")
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    with pytest.raises(SourceError, match="not a text file"):
        open_source(picture)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(sorted({*library_record(), *corpus_document(), "summary", "regions", "period", "labels"}))


@given(st.binary(max_size=300))
def test_no_line_makes_the_reader_raise(data: bytes) -> None:
    outcome = read_line(Line(7, data), OPTIONS)
    assert outcome is None if not data.strip() else isinstance(outcome, ImportItem | ImportLine)


@given(st.sampled_from([library_record(), corpus_document()]), st.dictionaries(MEMBERS, JSON_VALUES, max_size=3))
def test_no_member_of_any_type_makes_the_reader_raise(document: dict[str, Any], changes: dict[str, Any]) -> None:
    outcome = read_line(Line(1, json.dumps(document | changes).encode()), OPTIONS)
    assert isinstance(outcome, ImportItem | ImportLine)
    if isinstance(outcome, ImportItem):
        assert ImportItem.model_validate_json(outcome.model_dump_json()) == outcome


@settings(max_examples=60)
@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.jsonl", "a.md"]))
def test_no_file_makes_a_reader_raise_anything_but_a_source_error(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            found = list(open_source(path, OPTIONS))
        except SourceError:
            return
        assert all(isinstance(outcome, ImportItem | ImportLine) for outcome in found)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["good", "bad", "blank"]), max_size=20))
def test_every_line_is_accounted_for(kinds: list[str]) -> None:
    def line(number: int, kind: str) -> str:
        return {"good": json.dumps(corpus_document(id=f"d{number}")), "bad": f"{{{number}", "blank": "  "}[kind]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        # The first line tells what the file is.
        text = [json.dumps(corpus_document(id="first")), *(line(n, k) for n, k in enumerate(kinds))]
        path.write_text("\n".join(text), "utf-8")
        items, problems = outcomes(path)
    assert [i.line for i in items] == [1, *(n for n, k in enumerate(kinds, 2) if k == "good")]
    assert [p.line for p in problems] == [n for n, k in enumerate(kinds, 2) if k == "bad"]
