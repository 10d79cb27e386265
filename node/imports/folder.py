"""A folder of Markdown files. Source id: the path inside the folder, so a renamed file is a new document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from node.imports import fields, frontmatter
from node.imports.bounded import SourceError, decode
from node.imports.item import MAX_ITEM_BYTES, ImportItem, Outcome, ReadOptions, Unreadable, first_problem, problem_line
from node.views import ImportLine

SUFFIXES: Final = (".md", ".markdown")
MAX_FILES: Final = 100_000  # a bigger folder is a whole disk chosen by mistake
_TITLE: Final = re.compile(r"\s*#[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*(?:\r?\n|\Z)")


def read(root: Path, options: ReadOptions) -> Iterator[Outcome]:
    """Every Markdown file below, in the order of paths; hidden ones are passed over, links are not followed."""
    yield from _read(root, _files(root), options)


def read_file(path: Path, options: ReadOptions) -> Iterator[Outcome]:
    """A single Markdown file; its source id is its name."""
    yield from _read(path.parent, [path], options)


def _read(root: Path, paths: Iterable[Path], options: ReadOptions) -> Iterator[Outcome]:
    noted: set[str] = set()
    for count, path in enumerate(paths):
        if count >= MAX_FILES:
            raise SourceError(f"more than {MAX_FILES:,} Markdown files: import the folders below it one by one")
        source_id = path.relative_to(root).as_posix()
        try:
            item, unknown = read_text(source_id, _content(path), options)
        except (Unreadable, SourceError) as error:
            yield _problem(source_id, str(error))
            continue
        except ValidationError as error:
            yield _problem(source_id, first_problem(error))
            continue
        for key in sorted(unknown - noted):
            yield _problem(source_id, f"the head's {key!r} is not known here and was left out (first seen here)")
        noted |= unknown
        yield item


def _problem(source_id: str, problem: str) -> ImportLine:
    return problem_line(1, source_id, problem)


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and not path.is_symlink() and path.is_file():
            yield path


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ITEM_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_ITEM_BYTES:
        raise SourceError(f"is larger than {MAX_ITEM_BYTES:,} bytes")
    return data


def read_text(source_id: str, data: bytes, options: ReadOptions) -> tuple[ImportItem, set[str]]:
    """The item of one file, and the keys of its head that nothing here knows."""
    head, body, _ = frontmatter.parse(decode(data))
    members: dict[str, Any] = {}
    unknown: set[str] = set()
    for key, value in head.items():
        name = fields.known_name(key)
        if name is None or name in ("id", "body"):
            unknown.add(key[:60])
        elif name in members:
            raise Unreadable(f"the head gives {name} twice ({key})")
        else:
            members[name] = value
    title = _TITLE.match(body)
    if title and members.get("title") in (None, "", title.group(1)):
        members["title"] = title.group(1)
        body = body[title.end() :]
    return fields.item(1, source_id, members, body, options), unknown
