"""Cursors that callers hand back unread: bound to their list, so that one of another list is refused, not misread."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from node.errors import BadInput

_INNER: Final = re.compile(r"[0-9]{1,18}\Z")  # every list counts; a larger number would not fit a database's integer
MAX_CURSOR_CHARS: Final = 512  # two ids and a number; more was not made here


def wrap(listing: str, inner: str | None) -> str | None:
    """The opaque form of a list's own cursor; None stays None, the end."""
    if inner is None:
        return None
    return urlsafe_b64encode(json.dumps([listing, inner]).encode()).decode().rstrip("=")


def unwrap(listing: str, cursor: str | None) -> str | None:
    """The list's own cursor; `BadInput` unless `wrap` made it for this list."""
    if not cursor:
        return None
    try:
        if len(cursor) > MAX_CURSOR_CHARS:
            raise ValueError
        name, inner = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if name != listing or not isinstance(inner, str) or not _INNER.match(inner):
            raise ValueError
    except (ValueError, TypeError):
        raise BadInput("after: this cursor is not one of this list; begin again without it") from None
    return inner
