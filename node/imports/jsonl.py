"""JSON Lines: every line one document, in the corpus form or in the library form; which one, its members tell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from node.imports import corpus, library
from node.imports.bounded import MAX_LINE_BYTES, Line, SourceError, decode, read_lines
from node.imports.item import MAX_INTEGER, ImportItem, Outcome, ReadOptions, Unreadable, first_problem, problem_line


def read(path: Path, options: ReadOptions) -> Iterator[Outcome]:
    """Items and problems in the order of the lines; blank lines count as nothing."""
    for line in read_lines(path):
        outcome = read_line(line, options)
        if outcome is not None:
            yield outcome


def read_line(line: Line, options: ReadOptions) -> Outcome | None:
    """What one line is; None where it is blank."""
    if line.data is None:
        return problem_line(line.number, "", f"longer than {MAX_LINE_BYTES:,} bytes")
    if not line.data.strip():
        return None
    source_id = ""
    try:
        members = parse_object(line.data)
        source_id = _source_id(members)
        return _document(line.number, members, options)
    except (Unreadable, SourceError) as error:
        return problem_line(line.number, source_id, str(error))
    except ValidationError as error:
        return problem_line(line.number, source_id, first_problem(error))


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object, strictly: no NaN, no repeated member, no number that others would read differently."""
    try:
        value = json.loads(
            decode(data), parse_constant=_no_constant, parse_int=_small_integer, object_pairs_hook=_no_repeats
        )
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise Unreadable("is nested too deeply") from error
    if not isinstance(value, dict):
        raise Unreadable("is JSON, but not an object: every line is one {...}")
    return value


def _no_constant(name: str) -> Any:
    raise Unreadable(f"{name} is not a JSON number")


def _small_integer(digits: str) -> int:
    if len(digits) > len(str(MAX_INTEGER)) + 1 or abs(int(digits)) > MAX_INTEGER:
        raise Unreadable(f"number {digits[:20]} is too large")
    return int(digits)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise Unreadable("names a member twice")
    return out


def _source_id(members: Mapping[str, Any]) -> str:
    found = members.get("source_id", members.get("id"))
    return found[:100] if isinstance(found, str) else ""


def _document(number: int, members: Mapping[str, Any], options: ReadOptions) -> ImportItem:
    if "body_markdown" in members:
        return corpus.item(number, members, options)
    if "source_id" in members:
        return library.item(number, members, options)
    raise Unreadable("is neither a corpus document (it has no body_markdown) nor a library record (no source_id)")
