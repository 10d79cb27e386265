"""Where each key of a TOML text stands, so that an error can name the line (the parser keeps no positions).

It reads only as much of TOML as positions need; a key inside an inline table counts as the table's line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Final

Path = tuple[str | int, ...]
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY: Final = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART: Final = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
# What can hide a bracket or go on over lines: long strings, short strings, comments, brackets.
_TOKEN: Final = re.compile(r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*|[\[\]{}]''')


def lines_of(text: str) -> dict[Path, int]:
    """Path of keys and table numbers, such as `("rule", 0, "when", "kind")`, to its line, counted from 1."""
    found: dict[Path, int] = {}
    count: dict[Path, int] = {}
    table: Path = ()
    quote, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not quote and depth == 0:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header:
                table = _enter(_names(header[2]), header[1] == "[[", count)
                found.setdefault(table, number)
                continue
            if key:
                path = (*table, *_names(key[1]))
                for length in range(len(table) + 1, len(path) + 1):
                    found.setdefault(path[:length], number)
                line = line[key.end() :]  # noqa: PLW2901 - only the value can open what goes on over lines
        quote, depth = _open_after(line, quote, depth)
    return found


def line_at(lines: dict[Path, int], path: Sequence[str | int]) -> int | None:
    """The line of the path, else of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if tuple(path[:length]) in lines:
            return lines[tuple(path[:length])]
    return None


def syntax_problem(error: ValueError | RecursionError) -> str:
    """What is wrong with a text that is not TOML, in words; the parser says the line itself."""
    if isinstance(error, RecursionError):
        return "values are nested too deeply"
    if not isinstance(error, tomllib.TOMLDecodeError):  # the parser leaves thousands of digits to Python, which refuses
        return "a number is far too long"
    return str(error)


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _enter(names: tuple[str, ...], many: bool, count: dict[Path, int]) -> Path:
    """The path of a table header: a name that is a list of tables means the last of them."""
    path: Path = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in count:
            path = (*path, count[path])
    path = (*path, names[-1]) if names else path
    if many:
        count[path] = count.get(path, -1) + 1
    return (*path, count[path]) if path in count else path


def _open_after(line: str, quote: str, depth: int) -> tuple[str, int]:
    """The long string (its quotes) and the brackets still open at the end of a line."""
    at = 0
    while at < len(line):
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return quote, depth
            at, quote = end + 3, ""
            continue
        token = _TOKEN.search(line, at)
        if token is None:
            break
        at = token.end()
        if token[0] in ('"""', "'''"):
            quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return quote, max(depth, 0)
