"""Small readings that all sources share: dates, terms, lists of words. What does not fit is `Unreadable`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from governance.kinds import KINDS
from governance.record import MAX_TAGS
from governance.terms import CIRCLE_PREFIX, is_circle_id
from node.imports.item import ReadOptions, Unreadable

MAX_TAG_CHARS: Final = 100  # as `governance.record.Tag`
_ISO_PERIOD: Final = re.compile(r"(\d{4}(?:-(?:0[1-9]|1[0-2])(?:-\d{2})?)?)(?:[T ].*)?\Z")
_KIND_SEPARATORS: Final = re.compile(r"[\s-]+")


def text(value: Any, name: str, default: str | None = None) -> str:
    """A text member; a missing one is the default, or the document cannot be read."""
    if value is None or value == "":
        if default is None:
            raise Unreadable(f"{name} is missing")
        return default
    if not isinstance(value, str):
        raise Unreadable(f"{name} should be text, not {_type(value)}")
    return value


def _type(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def kind(value: Any, options: ReadOptions) -> str:
    """The kind's name, also from what people write: `Case study` is case_study."""
    written = text(value, "kind", options.kind or "")
    name = _KIND_SEPARATORS.sub("_", written.strip()).casefold()
    if name not in KINDS:
        raise Unreadable(f"kind {written!r} is unknown: one of {', '.join(KINDS)}")
    return name


def words(value: Any, name: str) -> list[str]:
    """A list of short words; `a; b` in one text counts as two. Empty and repeated ones drop out."""
    if value is None:
        return []
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(p, str | int) for p in parts):
        raise Unreadable(f"{name} should be a list of words")
    found = dict.fromkeys(p for p in (str(p).strip() for p in parts) if p)
    long = next((w for w in found if len(w) > MAX_TAG_CHARS), None)
    if long is not None:
        raise Unreadable(f"{name}: {long[:40]!r}... is longer than {MAX_TAG_CHARS} characters")
    if len(found) > MAX_TAGS:
        raise Unreadable(f"{name} has {len(found)} entries; at most {MAX_TAGS}")
    return list(found)


def iso_period(value: Any) -> dict[str, str] | None:
    """A period that begins and ends at an ISO date; None for free text such as `January 2016`."""
    match = _ISO_PERIOD.match(str(value).strip()) if value is not None else None
    if match is None:
        return None
    day = match.group(1)
    if len(day) == len("2024-05-11"):
        try:
            date.fromisoformat(day)
        except ValueError:
            return None
    return {"from": day, "to": day}


def start_of_day(value: Any, name: str) -> int:
    """Unix seconds of a date's first second, UTC."""
    if type(value) is int:
        return value
    try:
        day = value if isinstance(value, date) else date.fromisoformat(text(value, name))
    except ValueError as error:
        raise Unreadable(f"{name} is a date such as 2027-06-30, not {value!r}") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def end_of_day(value: Any, name: str) -> int:
    """Unix seconds of the first second after a date, UTC: `until` a day includes that day."""
    if type(value) is int:
        return value
    return start_of_day(value, name) + int(timedelta(days=1).total_seconds())


def terms(value: Any, options: ReadOptions) -> dict[str, Any]:
    """Terms as governance reads them: circles by their whole id, the end in unix seconds."""
    if not isinstance(value, Mapping):
        raise Unreadable("terms should be an object with aud, pur and until")
    audiences = value.get("aud", [])
    if not isinstance(audiences, list):
        raise Unreadable("terms.aud should be a list of audiences")
    out: dict[str, Any] = {"aud": [_audience(a, options) for a in audiences], "pur": value.get("pur", [])}
    if value.get("until") is not None:
        out["until"] = end_of_day(value["until"], "until")
    return out


def _audience(value: Any, options: ReadOptions) -> Any:
    """A circle's short name becomes its id; everything else passes on to the check of governance."""
    if not isinstance(value, str) or not value.startswith(CIRCLE_PREFIX):
        return value
    name = value[len(CIRCLE_PREFIX) :]
    if is_circle_id(name):
        return value
    if name not in options.circles:
        raise Unreadable(f"circle {name!r} is not known here: give its id, --circle {name}=ID")
    return CIRCLE_PREFIX + options.circles[name]


def only_known(given: Iterable[Any], known: Iterable[str]) -> None:
    """Refuse members that no reader knows: a typing mistake would be lost unseen."""
    extra = sorted(str(k) for k in set(given) - set(known))
    if extra:
        raise Unreadable(f"unknown: {', '.join(e[:60] for e in extra[:5])}; known are {', '.join(known)}")
