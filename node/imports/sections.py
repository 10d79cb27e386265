"""Markdown under level-2 headings as the sections of a kind; whatever names no section stays in the main text.

A heading counts when it is a section's name or label, in any case. Lists become lists, so that each item can be
read and adapted; a section whose form cannot be read stays as text in the main field rather than be lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from governance.errors import RecordError
from governance.kinds import KINDS, section_adapters, section_label
from governance.record import check_field

_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_HEADING: Final = re.compile(r" {0,3}##[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*\Z")
_STEP: Final = re.compile(r" {0,3}###[ \t]+(.*?)(?:[ \t]*\((\d{1,5})[ \t]*min[a-z]*\.?\))?[ \t]*\Z")
_BULLET: Final = re.compile(r"[ \t]{0,3}(?:[-*+]|\d{1,4}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(.*)\Z")
_COMPONENT: Final = re.compile(r"\[([^\]]+)\]\(([^)]+)\)(?::[ \t]*(.*))?\Z")


def split(kind: str, markdown: str, *, strict: bool = False) -> dict[str, Any]:
    """Fields from a text. `strict`: only when every level-2 heading is a section, otherwise all is the main field."""
    main = KINDS[kind].main
    lead, found = headed(markdown)
    names = _section_names(kind)
    matched = {names[title.casefold()] for title, _ in found if title.casefold() in names}
    all_match = len(matched) == len(found)
    if not matched or (strict and not all_match):
        return {main: markdown.strip()} if markdown.strip() else {}
    return _assign(kind, lead, found, names)


def _assign(kind: str, lead: str, found: list[tuple[str, str]], names: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    rest = [lead]
    for title, body in found:
        name = names.get(title.casefold())
        value = _read(kind, name, body) if name is not None and name not in fields else None
        if name is not None and value is not None:
            fields[name] = value
        else:
            rest.append(f"## {title}\n\n{body.strip()}")
    main = "body" if KINDS[kind].main in fields else KINDS[kind].main
    if text := "\n\n".join(part.strip() for part in rest if part.strip()):
        fields[main] = text
    return fields


def headed(markdown: str) -> tuple[str, list[tuple[str, str]]]:
    """The text before the first level-2 heading, then (heading, text below it); code fences are not looked into."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    fence = ""
    for line in markdown.splitlines():
        mark = _FENCE.match(line)
        if mark and (not fence or mark.group(1) == fence):
            fence = "" if fence else mark.group(1)
        heading = None if fence or mark else _HEADING.match(line)
        if heading:
            parts.append((heading.group(1).strip(), []))
        else:
            parts[-1][1].append(line)
    return "\n".join(parts[0][1]), [(title, "\n".join(lines)) for title, lines in parts[1:]]


def _section_names(kind: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for name in section_adapters(kind):
        for written in (name, name.replace("_", " "), section_label(kind, name)):
            names[written.casefold()] = name
    return names


def _read(kind: str, name: str, body: str) -> Any | None:
    """The section's value, or None where the text has not the section's form."""
    value = _READERS.get(name, _plain)(body)
    if value in ("", [], None):
        return None
    try:
        check_field(kind, name, value)
    except RecordError:
        return None
    return value


def _plain(body: str) -> Any:
    return body.strip()


def _number(body: str) -> Any:
    digits = re.match(r"\d{1,7}", body.strip())
    return int(digits.group()) if digits else None


def _choice(body: str) -> Any:
    return re.sub(r"[\s-]+", "_", body.strip().casefold())


def _bullets(body: str) -> list[str]:
    """One entry a bullet, its continuation lines joined; a text without bullets has none."""
    entries: list[list[str]] = []
    for line in body.splitlines():
        bullet = _BULLET.match(line)
        if bullet:
            entries.append([bullet.group(1).strip()])
        elif line.strip() and entries:
            entries[-1].append(line.strip())
        elif line.strip():
            return []
    return [" ".join(entry).strip() for entry in entries if any(entry)]


def _items(body: str) -> list[dict[str, Any]]:
    """Checklist items: `- text | role | when | required`, all but the text optional."""
    out = []
    for entry in _bullets(body):
        text, *more = (part.strip() for part in entry.split("|"))
        required = any(part.casefold() == "required" for part in more)
        role, when, *_ = [*(part for part in more if part.casefold() != "required"), "", ""]
        out.append({"text": text, "role": role, "when": when, "required": required})
    return out


def _components(body: str) -> list[dict[str, Any]] | None:
    """Toolkit components: `- title: notes`, or `- [title](source id): notes` for a record of the same source."""
    out = []
    for entry in _bullets(body):
        link = _COMPONENT.match(entry)
        title, notes = (link.group(1), link.group(3)) if link else entry.partition(": ")[::2]
        component = {"title": title.strip(), "notes": (notes or "").strip()}
        if link:
            component[REFERENCE] = link.group(2).strip()
        out.append(component)
    return out


REFERENCE: Final = "source_id"  # on a component until the caller has taken it out with `take_references`


def take_references(fields: dict[str, Any]) -> dict[int, str]:
    """Remove the components' references from the fields; source ids by index."""
    components = fields.get("components", [])
    return {index: entry.pop(REFERENCE) for index, entry in enumerate(components) if REFERENCE in entry}


def _placeholders(body: str) -> list[dict[str, Any]]:
    """Blanks of a template: `- name | description | example`."""
    out = []
    for entry in _bullets(body):
        name, description, example, *_ = [*(part.strip() for part in entry.split("|")), "", "", ""]
        out.append({"name": name, "description": description, "example": example})
    return out


def _steps(body: str) -> list[dict[str, Any]]:
    """Steps of a module: a level-3 heading each, `### Title (20 min)`, the text below; or one bullet a step."""
    steps: list[dict[str, Any]] = []
    for line in body.splitlines():
        heading = _STEP.match(line)
        if heading:
            minutes = {"minutes": int(heading.group(2))} if heading.group(2) else {}
            steps.append({"title": heading.group(1).strip(), "text": "", **minutes})
        elif steps:
            steps[-1]["text"] = f"{steps[-1]['text']}\n{line}".strip()
        elif line.strip():
            return [{"title": entry} for entry in _bullets(body)]
    return steps


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "items": _items,
    "components": _components,
    "placeholders": _placeholders,
    "steps": _steps,
    "duration_minutes": _number,
    "level": _choice,
    "delivery": _choice,
    "objectives": _bullets,
    "materials": _bullets,
    "debrief_questions": _bullets,
    "prerequisites": _bullets,
    "competencies": _bullets,
    "prompts": _bullets,
}
