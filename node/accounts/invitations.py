"""One-time links with which a person chooses a password: for a new account, for one that is locked out, for the first.

Only the person knows the password; an unknown, used and expired link are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from governance.gate import Role
from node.accounts.desk import (
    Room,
    account,
    digest,
    end_all,
    folded,
    new_name,
    not_above,
    read_role,
    told,
)
from node.accounts.devices import new_device
from node.accounts.passwords import check_password
from node.accounts.people import admit, rights
from node.accounts.views import AccountInviteView
from node.errors import BadInput, NotFound
from node.principal import Principal, Scope
from node.store.governing import Account, AccountInvite
from node.store.port import Reader, Writer

DEFAULT_INVITE_H: Final = 72
MAX_FIRST: Final = 8  # links to the first account at a time: a node that restarts in a loop makes many
MAX_INVITE_H: Final = 30 * 24  # a month: longer ones lie about in mailboxes
NO_INVITATION: Final = "this invitation is not known, has been used, or has run out: ask for a new one"


@dataclass(frozen=True, slots=True)
class Invited:
    """For whom a link is; the one who makes the node's first account chooses the name too (`name` empty)."""

    name: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Whose password it is now, and what the browser keeps, so that strangers cannot keep it out at its first login."""

    name: str
    devices: str


class Invitations(Room):
    """Links for people."""

    async def invite(
        self, who: Principal, name: str, role: str, *, admin: bool = False, hours: int = DEFAULT_INVITE_H
    ) -> AccountInviteView:
        """Make an account that waits for its person, and the link; nobody can sign in before it is taken up."""
        who.need(Scope.ADMIN)
        desk, now = self._desk, self._desk.clock.now()
        row = Account(new_name(name), read_role(role), "", now, admin=admin)
        async with desk.store.write() as tx:
            await admit(tx, who, row, now)
            view = await self._link(tx, who, row, hours)
            await desk.note(tx, who.actor, "account.invite", row.name, rights(row))
        return view

    async def reset(self, who: Principal, name: str, hours: int = DEFAULT_INVITE_H) -> AccountInviteView:
        """Lock an account at once (password, sessions, tokens) and make a link for a new password.

        The second factor stays. The person is told at the next login.
        """
        who.need(Scope.ADMIN)
        desk = self._desk
        async with desk.store.write() as tx:
            row = await account(tx, name)
            not_above(who, row)
            if row.password:  # a hash of nothing: nobody fits, and a steward stays one of those who decide
                row = told(replace(row, password=desk.hasher.nobody), "reset", who.actor, desk.clock.now())
                await tx.put(row)
            ended = await end_all(tx, row.name)
            view = await self._link(tx, who, row, hours)
            await desk.note(tx, who.actor, "account.reset", row.name, f"{ended} sessions and tokens ended")
        return view

    async def first(self, who: Principal, hours: int = DEFAULT_INVITE_H) -> AccountInviteView | None:
        """A link for the first steward and administrator, None as soon as anybody has an account.

        Where an account waits for its person, the link is that one's. Links of before stay good: the one that `init`
        printed is likely in somebody's hands when `serve` prints another. The first that is used voids them all.
        """
        who.need(Scope.ADMIN)
        desk = self._desk
        async with desk.store.write() as tx:
            rows = [row for row in await tx.find(Account, order="created_at") if not row.disabled]
            if any(row.password for row in rows):
                return None
            waiting = next((row for row in rows if row.role == Role.STEWARD), None)
            row = waiting or Account("", Role.STEWARD, "", desk.clock.now(), admin=True)
            await self._thin(tx, row.name)
            return await self._link(tx, who, row, hours, beside=True)  # noted when taken up: each start makes one anew

    async def invited(self, secret: str) -> Invited:
        """For whom a link is, or `NotFound`; looking at it does not use it up."""
        async with self._desk.store.read() as tx:
            found = await self._found(tx, secret)
        return Invited(found.name, found.expires_at)

    async def join(self, secret: str, password: str, name: str = "", devices: str = "") -> Joined:
        """Take up an invitation with a password of one's own. Of two at once one is right."""
        desk = self._desk
        check_password(password)
        invited = await self.invited(secret)  # before the hash, which is work
        chosen = invited.name or new_name(name)
        hashed = await desk.hasher.make(password)
        async with desk.store.write() as tx:
            found = await self._found(tx, secret)
            row = await tx.get(Account, chosen)
            if row is None:
                if found.name:
                    raise NotFound(NO_INVITATION)
                row = Account(chosen, Role.STEWARD, "", desk.clock.now(), admin=True)
            elif not found.name or row.disabled:
                raise BadInput(f"the name {chosen!r} is taken; choose another one")
            await tx.delete(AccountInvite, {"name": found.name})
            await tx.put(replace(row, password=hashed))
            kept = await new_device(desk, tx, chosen, devices)
            await desk.note(tx, chosen, "account.join", chosen, rights(row))
        return Joined(chosen, kept)

    async def _found(self, tx: Reader, secret: str) -> AccountInvite:
        found = await tx.get(AccountInvite, digest(secret))
        if found is None or found.expires_at <= self._desk.clock.now():
            raise NotFound(NO_INVITATION)
        if not found.name and any(row.password for row in await tx.find(Account, {"disabled": False})):
            raise NotFound(NO_INVITATION)  # the first account has been made another way
        return found

    async def _thin(self, tx: Writer, name: str) -> None:
        for old in (await tx.find(AccountInvite, {"name": name}, order="created_at"))[: -(MAX_FIRST - 1)]:
            await tx.delete(AccountInvite, {"hash": old.hash})

    async def _link(
        self, tx: Writer, who: Principal, row: Account, hours: int, *, beside: bool = False
    ) -> AccountInviteView:
        if not 1 <= hours <= MAX_INVITE_H:
            raise BadInput(f"an invitation is good for 1 to {MAX_INVITE_H} hours, not {hours}")
        desk, now = self._desk, self._desk.clock.now()
        secret, until = desk.secret(), now + hours * 3600
        if not beside:
            await tx.delete(AccountInvite, {"name": row.name})
        await tx.delete(AccountInvite, upto=("expires_at", now))
        await tx.put(AccountInvite(digest(secret), folded(row.name), who.account or who.actor, now, until))
        return AccountInviteView(
            name=row.name, role=row.role, admin=row.admin, link=f"{desk.address}/join/{secret}", expires_at=until
        )
