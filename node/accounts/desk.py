"""What the rooms of this package share: store and clock, how secrets are made and known again, who may act on whom."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from governance.gate import Member, Role
from node.accounts.brake import Brake
from node.accounts.passwords import Hasher
from node.accounts.vault import Vault
from node.accounts.views import AccountView, NoticeView
from node.clock import Clock, Entropy
from node.errors import BadInput, NotAllowed, NotFound
from node.principal import Principal, Scope
from node.store.governing import Account, AccountInvite, Token
from node.store.port import Reader, Store, Writer

SECRET_BYTES: Final = 32
SESSION: Final = "session"
API: Final = "api"
DEVICE: Final = "device"
MAX_NOTICES: Final = 20  # what a person reads; older ones are in the audit log
_NAME: Final = re.compile(r"[^\W_][\w.@-]{0,63}\Z")

Note = Callable[[Writer, str, str, str, str], Awaitable[None]]  # `Core.audit`: actor, action, subject, detail


@dataclass(frozen=True)
class Desk:
    """`address` is where people reach the node, for links; `issuer` is what an authenticator app calls it."""

    store: Store
    clock: Clock
    entropy: Entropy
    hasher: Hasher
    vault: Vault
    note: Note
    address: str = ""
    issuer: str = ""
    brake: Brake = field(default_factory=Brake)

    def secret(self) -> str:
        """256 random bits as text."""
        return urlsafe_b64encode(self.entropy.draw(SECRET_BYTES)).decode().rstrip("=")


class Room:
    """A part of `Accounts`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk


def digest(secret: str) -> bytes:
    """What is stored of a secret: 256 random bits need no slow hash, and a plain one can be looked up by key."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def folded(name: str) -> str:
    """A name as it is compared."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def new_name(name: str) -> str:
    """A name that may be given to an account."""
    found = folded(name)
    if not _NAME.match(found):
        raise BadInput(
            f"account name {name!r}: use 1 to 64 letters, digits, dots, hyphens or @, beginning with a letter"
        )
    return found


def read_role(role: str) -> Role:
    """The role of that name."""
    try:
        return Role(role)
    except ValueError:
        raise BadInput(f"unknown role {role!r}: one of {', '.join(Role)}") from None


def principal(row: Account, scopes: frozenset[str]) -> Principal:
    """The person of an account."""
    return Principal(row.name, Member(Role(row.role), row.name), scopes, row.name)


async def account(tx: Reader, name: str) -> Account:
    """The account in use of that name, or `NotFound`."""
    row = await tx.get(Account, folded(name))
    if row is None or row.disabled:
        raise NotFound(f"no account {name!r} that is in use")
    return row


async def stewards(tx: Reader) -> list[str]:
    """The names of all who decide: accounts in use with that role that have taken up their invitation."""
    rows = await tx.find(Account, {"role": Role.STEWARD.value, "disabled": False}, order="name")
    return [row.name for row in rows if row.password]


async def set_role(tx: Writer, name: str, role: str) -> Account:
    """Give an account another role; for what stewards have decided, who also note it.

    Sessions and tokens go on with what the new role allows: rights are looked up at each request.
    """
    changed = replace(await account(tx, name), role=read_role(role).value)
    await tx.put(changed)
    return changed


def not_above(who: Principal, row: Account) -> None:
    """Raise `NotAllowed` where somebody would get into a steward's account who is none, or past the own password."""
    if who.account == row.name:
        raise NotAllowed("this is your own account: change it with your password, on the account page")
    if row.role == Role.STEWARD and not who.may(Scope.STEWARD):
        raise NotAllowed(
            f"{row.name!r} is a steward: only a steward who is an administrator, or the machine, may do this"
        )


def own_or_admin(who: Principal, name: str) -> str:
    """The folded name; to others than the person and administrators there is no such account."""
    found = folded(name)
    if who.account != found and not who.may(Scope.ADMIN):
        raise NotFound(f"no account {name!r} that is in use")
    return found


async def end_all(tx: Writer, name: str) -> int:
    """End whatever lets somebody in as this person, and the invitations that they have made; how many."""
    invitations = await tx.delete(AccountInvite, {"by": name}) + await tx.delete(AccountInvite, {"name": name})
    return await tx.delete(Token, {"account": name}) + invitations


def told(row: Account, what: str, by: str, now: int) -> Account:
    """The account with something that the person will be told at the next login."""
    notices = [*json.loads(row.notices), {"what": what, "by": by, "at": now}][-MAX_NOTICES:]
    return replace(row, notices=json.dumps(notices))


def account_view(row: Account) -> AccountView:
    """An account as administrators and its owner see it."""
    return AccountView(
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        disabled=row.disabled,
        admin=row.admin,
        second_factor=row.totp_step > 0,
        invited=not row.password,
    )


def notices(row: Account) -> list[NoticeView]:
    """What the person has not been told yet."""
    return [NoticeView.model_validate(notice) for notice in json.loads(row.notices)]
