"""The one place where an error becomes an answer: problem+json (RFC 9457) for programs, a page for people.

Never a stack trace: what nobody foresaw is a 500 whose id stands beside the trace in the log.
"""

from __future__ import annotations

import errno
import json
import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from federation.errors import PeerError
from governance.errors import GovernanceError
from node.accounts import TooManyAttempts
from node.errors import NodeError
from node.principal import Principal
from node.store.port import StoreError, StoreFull

LOG: Final = logging.getLogger("commonweave.web")
PROBLEM_JSON: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:commonweave:problem:"
MAX_WORD_SHOWN: Final = 40  # of a word that is none of those known: enough to see a slip
MAX_MEMBERS_SHOWN: Final = 20  # enough to mend a form by; a hostile body could have a million


@dataclass(eq=False)  # not frozen: Python writes tracebacks into exceptions
class Problem(Exception):
    """An answer that says what is wrong and what to do about it."""

    status: int
    kind: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    errors: tuple[dict[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def document(self, instance: str) -> dict[str, Any]:
        """The members of RFC 9457; `errors` names each member that cannot be used."""
        out: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            out["errors"] = list(self.errors)
        return out

    def response(self, instance: str) -> web.Response:
        """As problem+json."""
        text = json.dumps(self.document(instance), ensure_ascii=False)
        return web.Response(text=text, status=self.status, content_type=PROBLEM_JSON, headers=self.headers)


def sign_in(detail: str, error: str = "") -> Problem:
    """401: nobody is signed in, or the token is none."""
    challenge = 'Bearer realm="commonweave"' + (f', error="{error}"' if error else "")
    return Problem(401, "sign-in", detail, {"WWW-Authenticate": challenge})


def bad_members(error: ValidationError, where: str) -> Problem:
    """422 that names each member and what it has to be."""
    errors = tuple(
        {"member": ".".join(str(p) for p in e["loc"]) or where, "problem": _wrong(e), "remedy": _remedy(e)}
        for e in error.errors(include_url=False, include_context=True)[:MAX_MEMBERS_SHOWN]
    )
    first = errors[0]
    return Problem(422, "bad-input", f"{where}: {first['member']}: {first['problem']}; {first['remedy']}", {}, errors)


def problem_of(error: Exception, who: Principal | None, request_id: str) -> Problem:
    """What to answer for an error, by whose fault it is."""
    match error:
        case Problem():
            return error
        case web.HTTPException():
            return _of_http(error)
        case TooManyAttempts():
            return Problem(error.status, error.kind, str(error), {"Retry-After": str(error.retry_after_s)})
        case NodeError() if error.status == 403 and who is not None and not who.known:
            return sign_in("This needs an account of this node; send a token, or sign in.")
        case NodeError() if error.status != 500:
            return Problem(error.status, error.kind, str(error))
        case GovernanceError():
            return Problem(422, "bad-input", str(error))
        case PeerError():
            return Problem(502, "peer", f"The other node's answer cannot be used: {error}")
        case StoreFull():
            return Problem(507, "storage-full", str(error))
        case StoreError():
            return Problem(503, "storage", str(error))
        case OSError() if error.errno in _NO_ROOM:
            return Problem(507, "storage-full", f"There is no room to write ({error.strerror}): free disk space here.")
        case ConnectionError() | TimeoutError():
            return Problem(408, "too-slow", "The body did not arrive in time; send it again.")
        case _:
            return Problem(500, "internal", f"Something went wrong here. Tell the administrator: {request_id}.")


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_KINDS: Final = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type", 416: "range", 400: "bad-request"}
_DETAILS: Final = {
    404: "There is nothing here, or nothing that you may see.",
    405: "This address does not take that method.",
}


def _of_http(error: web.HTTPException) -> Problem:
    kind = _KINDS.get(error.status, "http")
    detail = _DETAILS.get(error.status) or error.text or error.reason
    keep = {name: error.headers[name] for name in ("Allow", "Content-Range", "Location") if name in error.headers}
    return Problem(error.status, kind, detail, keep)


def _wrong(error: Any) -> str:
    match error["type"]:
        case "enum" | "literal_error":
            return f"{_short(error['input'])} is not one of the words known here"
        case "union_tag_invalid":
            return f"there is no kind {_short((error.get('ctx') or {}).get('tag'))}"
        case "string_too_short" | "too_short":
            return "it is empty, or too short"
        case "string_too_long" | "too_long":
            return "it is too long"
        case "greater_than_equal" | "greater_than":
            return "it is too small"
        case "less_than_equal" | "less_than":
            return "it is too large"
        case _:
            return str(error["msg"])


def _short(value: Any) -> str:
    """Only where a word out of a few was asked for: other values can be what must not be repeated."""
    text = repr(value)
    return text if len(text) <= MAX_WORD_SHOWN else text[:MAX_WORD_SHOWN] + "…"


def _remedy(error: Any) -> str:
    context = error.get("ctx") or {}
    match error["type"]:
        case "string_too_short" | "too_short":
            return f"give {context.get('min_length', 1)} or more"
        case "string_too_long" | "too_long":
            return f"give {context.get('max_length', 'less')} at most"
        case "greater_than_equal" | "less_than_equal":
            return f"{context.get('ge', context.get('le'))} is the {'least' if 'ge' in context else 'most'}"
        case "union_tag_invalid":
            return f"use {context.get('expected_tags', 'one that is documented')}"
        case "missing":
            return "add it"
        case "extra_forbidden":
            return "leave it out, or check its spelling"
        case "enum" | "literal_error":
            return f"use {context.get('expected', 'one of the known words')}"
        case "json_invalid":
            return "send valid JSON in UTF-8"
        case _:
            return "send a value of that form; see /api/v1/openapi.json"
