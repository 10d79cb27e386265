"""One door for all sources: what a path holds is told by its content, and every document has its own source id."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from node.imports import folder, jsonl, table
from node.imports.bounded import SourceError, is_gzip
from node.imports.item import ImportItem, Outcome, ReadOptions, problem_line

_PEEK_BYTES = 4096


def open_source(path: Path, options: ReadOptions | None = None) -> Iterator[Outcome]:
    """Items and problems of a file or folder; `SourceError` where it cannot be read at all, or not to its end."""
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    chosen = options or ReadOptions()
    return _once(_reader(path, chosen))


def source_name(path: Path) -> str:
    """What the source is called where nobody says otherwise: the name without its endings."""
    name = path.resolve().name
    return (name if path.is_dir() else name.split(".")[0]) or "import"


def _reader(path: Path, options: ReadOptions) -> Iterator[Outcome]:
    if path.is_dir():
        return folder.read(path, options)
    start = _start(path)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path.name} is UTF-16: save it as UTF-8 and import it again")
    if b"\0" in start:
        raise SourceError(f"{path.name} is not a text file: give JSON Lines, CSV or a folder of Markdown")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return jsonl.read(path, options)
    if path.suffix.lower() in folder.SUFFIXES:
        return folder.read_file(path, options)
    if not start.strip():
        return iter(())
    return table.read(path, options)


def _start(path: Path) -> bytes:
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
            return bytes(file.read(_PEEK_BYTES))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path.name} is a damaged gzip file: copy or download it again") from error
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read: {error.strerror or error}") from error


def _once(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """A source id that comes a second time is a problem: the two would overwrite one another at every import."""
    first_line: dict[str, int] = {}
    for outcome in outcomes:
        if isinstance(outcome, ImportItem):
            if outcome.source_id in first_line:
                problem = f"the id was already used in line {first_line[outcome.source_id]}: give it one of its own"
                yield problem_line(outcome.line, outcome.source_id, problem)
                continue
            first_line[outcome.source_id] = outcome.line
        yield outcome
