"""CSV: columns, delimiters, encodings, rows that are not rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.imports import ImportItem, SourceError
from node.imports.bounded import split_lines
from node.views import ImportLine
from tests.unit.imports.reading import outcomes

HEADER = "id,title,kind,language,summary,body,topics,licence"


def table(path: Path, *rows: str, encoding: str = "utf-8") -> tuple[list[ImportItem], list[ImportLine]]:
    file = path / "records.csv"
    file.write_bytes("\r\n".join(rows).encode(encoding))
    return outcomes(file)


def test_a_row_is_a_record(tmp_path: Path) -> None:
    items, problems = table(tmp_path, HEADER, 'r1,Gauges,Case study,en,Short,"Line one\nline two",flood; river,CC0-1.0')
    assert problems == []
    assert items[0].source_id == "r1"
    assert items[0].draft.kind == "case_study"
    assert items[0].draft.fields == {
        "title": "Gauges",
        "topics": ["flood", "river"],
        "summary": "Short",
        "licence": "CC0-1.0",
        "body": "Line one\nline two",
    }


def test_a_byte_order_mark_and_semicolons_of_a_spreadsheet(tmp_path: Path) -> None:
    items, problems = table(tmp_path, "title;kind;language", "Hochwasser;guide;de", encoding="utf-8-sig")
    assert ([i.source_id for i in items], problems) == (["line 2"], [])


def test_unknown_columns_are_reported_and_left_out(tmp_path: Path) -> None:
    items, problems = table(tmp_path, "title,price,kind,language", "A,3,guide,en")
    assert len(items) == 1
    assert "price" in problems[0].problem


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("r2,,guide,en,,,,", "title is missing"),
        ("r2,B,poem,en,,,,", "kind 'poem'"),
        ("r2,B,guide,English please,,,,", "language"),
        ("r2,B,guide,en,,,,,,", "10 cells under 8 columns"),
    ],
)
def test_a_bad_row_is_named_and_the_next_one_taken(tmp_path: Path, row: str, said: str) -> None:
    items, problems = table(tmp_path, HEADER, "r1,A,guide,en,,,,", row, "r3,C,guide,en,,,,")
    assert [i.source_id for i in items] == ["r1", "r3"]
    assert [p.line for p in problems] == [3]
    assert said in problems[0].problem


def test_a_row_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"title,kind,language\nInundaci\xf3n,guide,es\nLista,guide,es\n")
    items, problems = outcomes(file)
    assert [i.draft.fields["title"] for i in items] == ["Lista"]
    assert "not UTF-8" in problems[0].problem


def test_a_table_in_utf16_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="UTF-16"):
        table(tmp_path, "title,kind", "A,guide", encoding="utf-16")


def test_the_line_ends_of_an_old_mac_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="line ends"):
        table(tmp_path, "title,kind\rA,guide\rB,guide")
    items, problems = table(tmp_path, HEADER, "r1,A\rB,guide,en,,,,", "r2,C,guide,en,,,,")
    assert [i.source_id for i in items] == ["r2"]
    assert "carriage return" in problems[0].problem


@pytest.mark.parametrize("header", ["name,kind", "title,tags,topics", ",".join(["title"] * 300)])
def test_a_header_that_cannot_be_used_stops_the_import(tmp_path: Path, header: str) -> None:
    with pytest.raises(SourceError):
        table(tmp_path, header, "A,B,C")


def test_lines_are_the_same_wherever_the_chunks_are_cut() -> None:
    text = b"one\r\ntwo\n\nfour"
    whole = [(line.number, line.data) for line in split_lines(iter([text]))]
    assert whole == [(1, b"one"), (2, b"two"), (3, b""), (4, b"four")]
    for size in range(1, 6):
        chunks = [text[i : i + size] for i in range(0, len(text), size)]
        assert [(line.number, line.data) for line in split_lines(iter(chunks))] == whole


def test_a_line_at_the_limit_is_read_and_one_above_is_only_numbered() -> None:
    lines = list(split_lines(iter([b"aaaa\naaa", b"aa\nbb\n"]), max_line_bytes=4))
    assert [(line.number, line.data) for line in lines] == [(1, b"aaaa"), (2, None), (3, b"bb")]
