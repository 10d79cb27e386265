"""What people type for terms, times and agreements, as the API takes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from governance.terms import check_audience
from node.clock import SystemClock
from node.errors import BadInput

ALL_PURPOSES: Final = ("learning", "research", "publication", "archive")
_DURATION: Final = re.compile(r"(\d{1,5})\s*([hdwmy])\Z")
_HOURS: Final = {"h": 1, "d": 24, "w": 24 * 7, "m": 24 * 30, "y": 24 * 365}


def until(text: str | None, now: int | None = None) -> int | None:
    """The end in unix seconds: a date includes that day (UTC); 90d, 12w, 6m, 1y, 36h count from now."""
    if text is None:
        return None
    found = _DURATION.match(text.strip())
    if found:
        hours = int(found.group(1)) * _HOURS[found.group(2)]
        return (SystemClock().now() if now is None else now) + hours * 3600
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(f"--until {text!r}: write a date such as 2027-06-30, or a time from now such as 90d") from error
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return int(end.timestamp())


def moment(text: str | None, option: str) -> int | None:
    """The first second of a date, UTC."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(f"{option} {text!r}: write a date such as 2027-06-30") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def terms_body(to: Sequence[str], purposes: Sequence[str], until_text: str | None) -> dict[str, Any]:
    """Terms as the API takes them; all purposes where none was named."""
    for audience in to:
        check_audience(audience)
    unknown = next((p for p in purposes if p not in ALL_PURPOSES), None)
    if unknown:
        raise BadInput(f"--purpose {unknown!r}: one of {', '.join(ALL_PURPOSES)}")
    return {"audiences": list(to), "purposes": list(purposes) or list(ALL_PURPOSES), "until": until(until_text)}
