"""CSV with a header row. Source id: the `id` column, else the row's first line. Unknown columns are reported."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from node.imports import fields
from node.imports.bounded import SourceError, decode, read_lines
from node.imports.item import MAX_ITEM_BYTES, Outcome, ReadOptions, Unreadable, first_problem, problem_line
from node.views import ImportLine

MAX_COLUMNS: Final = 200  # a table of records has twenty
_DELIMITERS: Final = (",", ";", "\t")  # spreadsheets of half the world write semicolons
_OTHER_LINE_ENDS: Final = "has a carriage return inside: save the table with the line ends of Unix or Windows"
_ROW_TOO_LONG: Final = "has a quoted cell that never ends: look for a missing quotation mark"


def read(path: Path, options: ReadOptions) -> Iterator[Outcome]:
    """Items and problems in the order of the rows."""
    lines = _Lines(path)
    header = _header(lines)
    names, notes = _columns(header)
    yield from notes
    for number, row in _rows(lines, len(header)):
        if isinstance(row, str):
            yield problem_line(number, "", row)
        elif any(cell.strip() for cell in row):
            yield _outcome(number, dict(zip(names, row, strict=True)), options)


class _Lines:
    """The file's lines as text, one at a time, with what could not be read as text kept aside."""

    number: int
    problem: str | None

    def __init__(self, path: Path) -> None:
        self._lines = read_lines(path)
        self.number = 0
        self.delimiter = ","
        self.problem = None

    def take_problem(self) -> str | None:
        """What was wrong with the lines since the last call."""
        problem, self.problem = self.problem, None
        return problem

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number = line.number
        if line.data is None:
            self.problem = "is longer than a row may be"
            return "\n"
        try:
            return decode(line.data).replace("\0", "\ufffd") + "\n"
        except SourceError as error:
            self.problem = str(error)
            return "\n"


def _header(lines: _Lines) -> list[str]:
    first = next(lines, None)
    if problem := lines.take_problem():
        raise SourceError(f"the first line {problem}")
    if first is None or not first.strip():
        raise SourceError("the first line is empty: it should name the columns, such as title,kind,language,body")
    lines.delimiter = max(_DELIMITERS, key=first.count)
    try:
        return next(csv.reader([first], delimiter=lines.delimiter), [])
    except csv.Error as error:
        raise SourceError(f"the first line {_defect(error)}") from error


def _defect(error: csv.Error) -> str:
    """What the reader of rows stumbled over; a bare carriage return is how old Macs ended lines."""
    return _OTHER_LINE_ENDS if "new-line" in str(error) else _ROW_TOO_LONG


def _columns(header: list[str]) -> tuple[list[str | None], list[ImportLine]]:
    if len(header) > MAX_COLUMNS:
        raise SourceError(f"the table has {len(header)} columns; at most {MAX_COLUMNS}")
    names = [fields.known_name(column) for column in header]
    if "title" not in names:
        raise SourceError("the first line names no column `title`: it should name the columns of the table")
    taken = [n for n in names if n is not None]
    if twice := next((n for n in taken if taken.count(n) > 1), None):
        raise SourceError(f"two columns mean {twice}: remove one of them")
    unknown = [column.strip()[:60] for column, name in zip(header, names, strict=True) if name is None]
    problem = f"unknown columns were left out: {', '.join(unknown)}; known are {', '.join(fields.KNOWN)}"
    return names, [problem_line(1, "", problem)] if unknown else []


def _rows(lines: _Lines, width: int) -> Iterator[tuple[int, list[str] | str]]:
    """Row by row, (first line, its cells) or (first line, what is wrong)."""
    csv.field_size_limit(MAX_ITEM_BYTES)
    reader = csv.reader(lines, delimiter=lines.delimiter)
    while True:
        start = lines.number + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            lines.take_problem()
            yield start, _defect(error)
            reader = csv.reader(lines, delimiter=lines.delimiter)
            continue
        if row is None:
            return
        if problem := lines.take_problem():
            yield start, problem
        elif len(row) > width:
            yield start, f"has {len(row)} cells under {width} columns: a cell with a {lines.delimiter!r} needs quotes"
        else:
            yield start, row + [""] * (width - len(row))


def _outcome(number: int, row: Mapping[str | None, str], options: ReadOptions) -> Outcome:
    members: dict[str, Any] = {name: cell for name, cell in row.items() if name is not None and cell.strip()}
    source_id = str(members.pop("id", "")).strip() or f"line {number}"
    body = str(members.pop("body", ""))
    try:
        return fields.item(number, source_id, members, body, options)
    except (Unreadable, ValidationError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        return problem_line(number, source_id[:100], problem)
