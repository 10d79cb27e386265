"""Who asks: the name for the audit log, what the gate sees of them, and the scopes that bound what they may start.

A scope opens a use case; what is shown inside it is still the gate's word alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from governance.gate import Member, Public, Role
from node.errors import NotAllowed


class Scope(StrEnum):
    """What a caller may start; none of them widens what the gate lets it see."""

    READ = "read"
    WRITE = "write"
    STEWARD = "steward"
    ADMIN = "admin"


ALL_SCOPES: Final[frozenset[str]] = frozenset(Scope)

# What a person of a role may do in a session. `admin` (accounts, tokens) is given to single tokens only.
ROLE_SCOPES: Final[dict[Role, frozenset[str]]] = {
    Role.MEMBER: frozenset({Scope.READ}),
    Role.EDITOR: frozenset({Scope.READ, Scope.WRITE}),
    Role.STEWARD: frozenset({Scope.READ, Scope.WRITE, Scope.STEWARD}),
}


def grantable(role: Role) -> frozenset[str]:
    """The scopes that a token of a role can ever carry."""
    return ALL_SCOPES if role is Role.STEWARD else ROLE_SCOPES[role]


@dataclass(frozen=True, slots=True)
class Principal:
    """The one who asks. `actor` goes into the audit log, `viewer` to the gate."""

    actor: str
    viewer: Member | Public
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """True if the scope was given."""
        return scope in self.scopes

    def need(self, scope: str) -> None:
        """Raise `NotAllowed` without the scope."""
        if scope not in self.scopes:
            raise NotAllowed(f"{self.actor} may not do this: it needs the scope {scope!r}; ask a steward of this node")

    @property
    def known(self) -> bool:
        """False for the public."""
        return isinstance(self.viewer, Member)


# Whoever owns the data folder; reached through the unix socket or the command line.
LOCAL: Final = Principal("local administrator", Member(Role.STEWARD), ALL_SCOPES)
ANYBODY: Final = Principal("public", Public(), frozenset({Scope.READ}))
