"""What signing in can answer beside yes; nobody learns from either which part of a guess was right."""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class LoginFailed(NodeError):
    """Name, password and code do not go together; which of them is not said."""

    status: ClassVar[int] = 401
    exit_code: ClassVar[int] = 4
    kind: ClassVar[str] = "login"


class TooManyAttempts(NodeError):
    """Wait first; `retry_after_s` says how long."""

    status: ClassVar[int] = 429
    exit_code: ClassVar[int] = 5
    kind: ClassVar[str] = "too-many-attempts"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
