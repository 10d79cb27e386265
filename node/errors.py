"""Errors of use cases, by whose fault. The web and the command line map them to status and exit codes in one place."""

from __future__ import annotations

from typing import ClassVar


class NodeError(Exception):
    """Base: a sentence that names the value and the way out."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "internal"


class NotFound(NodeError):
    """No such thing, or none that the one who asks may know of: both look the same."""

    status = 404
    exit_code = 3
    kind = "not-found"


class BadInput(NodeError):
    """The caller's value cannot be used."""

    status = 422
    exit_code = 2
    kind = "bad-input"


class NotAllowed(NodeError):
    """The caller is known and may not do this."""

    status = 403
    exit_code = 4
    kind = "not-allowed"


class NotNow(NodeError):
    """It cannot be done in this state; the message says what comes first."""

    status = 409
    exit_code = 5
    kind = "not-now"


class PeerTrouble(NodeError):
    """A peer answered wrongly or not at all."""

    status = 502
    exit_code = 6
    kind = "peer"


class StartError(NodeError):
    """The node cannot start: settings, data folder, port or database."""

    status = 503
    exit_code = 7
    kind = "start"
