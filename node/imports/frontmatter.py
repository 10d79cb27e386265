"""The head of a Markdown file: TOML between `+++`, or a strict part of YAML between `---`.

Of YAML only `key: value`, `key: [a, b]`, lists of `- item` and folded or literal text are read, and every value is
text: so `language: no` stays Norwegian, and no anchor or tag of a stranger's file is ever evaluated.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from node.imports.item import Unreadable

MAX_LINES: Final = 500  # a head longer than this is a text with a stray rule in it
_KEY: Final = re.compile(r"([A-Za-z_][\w.-]{0,63})[ \t]*:(?:[ \t]+(.*))?\Z")
_NOT_SUBSET: Final = tuple("&*!{@`%")  # anchors, aliases, tags, flow mappings and what YAML reserves


def parse(text: str) -> tuple[dict[str, Any], str, int]:
    """The head's members, the text below it, and the number of its first line. Without a head: no members."""
    lines = text.splitlines(keepends=True)
    mark = lines[0].strip() if lines else ""
    if mark not in ("---", "+++"):
        return {}, text, 1
    end = next((n for n, line in enumerate(lines[1 : MAX_LINES + 2], 1) if line.strip() == mark), None)
    if end is None:
        raise Unreadable(f"the head begins with {mark} and has no line {mark} that ends it")
    head = lines[1:end]
    members = _toml("".join(head)) if mark == "+++" else _subset([line.rstrip("\r\n") for line in head])
    return members, "".join(lines[end + 1 :]), end + 2


def _toml(head: str) -> dict[str, Any]:
    try:
        return tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"the head is not TOML: {error}") from error
    except (RecursionError, ValueError) as error:
        raise Unreadable("the head is not TOML that can be read") from error


def _subset(lines: list[str]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _KEY.match(line)
        if match is None:
            raise Unreadable(_refusal(line, at + 1))
        key, rest = match.group(1), (match.group(2) or "").strip()
        if key in members:
            raise Unreadable(f"the head names {key} twice")
        indented = _indented(lines, at)
        members[key] = _value(rest, indented, at + 1)
        at += len(indented)
    return members


def _indented(lines: list[str], start: int) -> list[str]:
    """The lines that belong to the key above: indented ones, list items and blanks between them."""
    taken = 0
    for offset, line in enumerate(lines[start:], 1):
        if line[:1] in (" ", "\t") or re.match(r"-(\s|\Z)", line):
            taken = offset
        elif line.strip():
            break
    return lines[start : start + taken]


def _value(rest: str, below: list[str], number: int) -> Any:
    filled = [line for line in below if line.strip() and not line.lstrip().startswith("#")]
    if rest[:1] in ("|", ">"):
        joiner = "\n" if rest[0] == "|" else " "
        return joiner.join(line.strip() for line in below).strip()
    if rest and filled:
        # A plain text that goes on below, as YAML folds it.
        return " ".join((_scalar(rest, number), *(line.strip() for line in filled)))
    if rest.startswith("["):
        return _flow_list(rest, number)
    if rest:
        return _scalar(rest, number)
    return [_entry(line, number) for line in filled] if filled else None


def _entry(line: str, number: int) -> str:
    stripped = line.strip()
    if not stripped.startswith("-") or _KEY.match(stripped[1:].strip()):
        raise Unreadable(_refusal(line, number))
    return _scalar(stripped[1:].strip(), number)


def _flow_list(rest: str, number: int) -> list[str]:
    body = re.sub(r"\s+#.*\Z", "", rest)
    if not body.endswith("]"):
        raise Unreadable(_refusal(rest, number))
    # Quoted entries may hold commas.
    entries = re.findall(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,]*)\s*(?:,|\Z)""", body[1:-1])
    return [_scalar(entry.strip(), number) for entry in entries if entry.strip()]


def _scalar(text: str, number: int) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), text[1:-1])
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.startswith(_NOT_SUBSET) or text[:1] in ("'", '"'):
        raise Unreadable(_refusal(text, number))
    return re.sub(r"\s+#.*\Z", "", text)


def _refusal(line: str, number: int) -> str:
    shown = line.strip()[:60]
    return f"line {number} of the head, {shown!r}, is more YAML than is read here: write key: value, or TOML in +++"
