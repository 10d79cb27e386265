"""Who asks: the name for the audit log, what the gate sees of them, and the scopes that bound what they may start.

A scope opens a use case; what is shown inside it is still the gate's word alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from governance.gate import Member, Public, Role
from governance.speech import Say
from node.errors import NotAllowed
from node.speech import speech


class Scope(StrEnum):
    """What a caller may start; none of them widens what the gate lets it see."""

    READ = "read"
    WRITE = "write"
    STEWARD = "steward"
    ADMIN = "admin"
    SELF = "self"


ALL_SCOPES: Final[frozenset[str]] = frozenset(Scope)

# What a person of a role may do. `self` (the own account) every session has; a token has it only if it was asked for.
ROLE_SCOPES: Final[dict[Role, frozenset[str]]] = {
    Role.MEMBER: frozenset({Scope.READ, Scope.SELF}),
    Role.EDITOR: frozenset({Scope.READ, Scope.SELF, Scope.WRITE}),
    Role.STEWARD: frozenset({Scope.READ, Scope.SELF, Scope.WRITE, Scope.STEWARD}),
}


def grantable(role: Role, admin: bool) -> frozenset[str]:
    """What an account may do in a session, and at most by a token. Who runs the node decides nothing by that alone."""
    return ROLE_SCOPES[role] | {Scope.ADMIN} if admin else ROLE_SCOPES[role]


@dataclass(frozen=True, slots=True)
class Principal:
    """The one who asks. `actor` goes into the audit log, `viewer` to the gate.

    `account` is the account's name, empty for the local administrator and the public.
    """

    actor: str
    viewer: Member | Public
    scopes: frozenset[str]
    account: str = ""
    langs: tuple[str, ...] = field(default=(), compare=False)  # as the caller asked for them, best first

    def may(self, scope: str) -> bool:
        """True if the scope was given."""
        return scope in self.scopes

    def need(self, scope: str) -> None:
        """Raise `NotAllowed` without the scope."""
        if scope not in self.scopes:
            raise NotAllowed(f"{self.actor} may not do this: it needs the scope {scope!r}; ask a steward of this node")

    @property
    def say(self) -> Say:
        """How to speak to them."""
        return speech(self.langs)

    @property
    def known(self) -> bool:
        """False for the public."""
        return isinstance(self.viewer, Member)


# Whoever owns the data folder; reached through the unix socket or the command line.
LOCAL: Final = Principal("local administrator", Member(Role.STEWARD), ALL_SCOPES)
ANYBODY: Final = Principal("public", Public(), frozenset({Scope.READ}))
