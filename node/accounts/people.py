"""Who has an account and what they may do. A steward is made, changed and shut out by the stewards' proposals alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from governance.gate import Role
from node.accounts.desk import (
    Room,
    account,
    account_view,
    end_all,
    folded,
    new_name,
    not_above,
    notices,
    own_or_admin,
    read_role,
    told,
)
from node.accounts.passwords import check_password, easy_words
from node.accounts.views import AccountView, OwnAccountView
from node.errors import NotAllowed, NotFound, NotNow
from node.principal import Principal, Scope
from node.store.governing import Account, AccountInvite
from node.store.port import Writer

_PASSWORD_GROUPS, _PASSWORD_CHARS = 5, 4  # 20 letters of 31: 99 bits
BY_PROPOSAL: Final = "who is a steward is decided by the stewards: `proposal add-steward` or `remove-steward`"


class People(Room):
    """Accounts."""

    async def add(
        self, who: Principal, name: str, role: str, password: str | None = None, *, admin: bool = False
    ) -> AccountView:
        """Add a person; a password that was made up here is in the answer, once."""
        who.need(Scope.ADMIN)
        name, as_role = new_name(name), read_role(role)
        if password is not None:
            check_password(password)
        desk = self._desk
        secret = password or easy_words(desk.entropy, _PASSWORD_GROUPS, _PASSWORD_CHARS)
        row = Account(name, as_role, await desk.hasher.make(secret), desk.clock.now(), admin=admin)
        async with desk.store.write() as tx:
            await admit(tx, who, row, desk.clock.now())
            await desk.note(tx, who.actor, "account.add", name, rights(row))
        return account_view(row).model_copy(update={"password": None if password else secret})

    async def account(self, who: Principal, name: str) -> OwnAccountView:
        """One's own account; administrators may look at any."""
        found = own_or_admin(who, name)
        async with self._desk.store.read() as tx:
            row = await account(tx, found)
        left = len(json.loads(row.recovery))
        return OwnAccountView(**account_view(row).model_dump(), recovery_left=left, notices=notices(row))

    async def change(
        self, who: Principal, name: str, role: str | None = None, admin: bool | None = None
    ) -> AccountView:
        """Make a member an editor, or somebody an administrator, or the other way round."""
        who.need(Scope.ADMIN)
        desk = self._desk
        async with desk.store.write() as tx:
            before = await account(tx, name)
            new = before.role if role is None else read_role(role).value
            if new != before.role and Role.STEWARD.value in (new, before.role):
                raise NotNow(f"{before.name!r} stays a {before.role}: {BY_PROPOSAL}")
            row = replace(before, role=new, admin=before.admin if admin is None else admin)
            await tx.put(row)
            await desk.note(tx, who.actor, "account.change", row.name, rights(row))
        return account_view(row)

    async def disable(self, who: Principal, name: str) -> AccountView:
        """Shut an account: its sessions, tokens and invitations end with it, those it has made too."""
        who.need(Scope.ADMIN)
        desk = self._desk
        async with desk.store.write() as tx:
            row = await tx.get(Account, folded(name))
            if row is None:
                raise NotFound(f"no account {name!r}")
            if row.role == Role.STEWARD and row.password and not row.disabled:
                raise NotNow(
                    f"{row.name!r} is a steward, and {BY_PROPOSAL}; to shut out a thief at once, `account reset` ends "
                    "every session and token, and the password with them"
                )
            shut = replace(row, disabled=True, totp="", totp_step=0, recovery="[]")
            await tx.put(shut)
            ended = await end_all(tx, row.name)
            await desk.note(tx, who.actor, "account.disable", row.name, f"{ended} sessions and tokens ended")
        return account_view(shut)

    async def forget_factor(self, who: Principal, name: str) -> AccountView:
        """Remove a second factor that was lost with its phone; the person is told at the next login."""
        who.need(Scope.ADMIN)
        desk = self._desk
        async with desk.store.write() as tx:
            row = await account(tx, name)
            not_above(who, row)
            if not row.totp_step:
                raise NotNow(f"{row.name!r} has no second factor")
            bare = told(
                replace(row, totp="", totp_step=0, recovery="[]"), "factor-removed", who.actor, desk.clock.now()
            )
            await tx.put(bare)
            await desk.note(tx, who.actor, "account.factor.remove", row.name, "")
        return account_view(bare)

    async def list(self, who: Principal) -> list[AccountView]:
        """All accounts, disabled ones too."""
        who.need(Scope.ADMIN)
        async with self._desk.store.read() as tx:
            return [account_view(row) for row in await tx.find(Account)]


async def admit(tx: Writer, who: Principal, row: Account, now: int) -> None:
    """Put a new account, if the name is free and a steward is not made past the stewards."""
    if await tx.get(Account, row.name) is not None:
        raise NotNow(f"the account {row.name!r} exists already; choose another name")
    if row.role == Role.STEWARD:
        await _first_steward(tx, who, now)
    await tx.put(row)


async def _first_steward(tx: Writer, who: Principal, now: int) -> None:
    """Refuse where there is a steward, or somebody invited to be one; an invitation that ran out counts no more."""
    if not who.may(Scope.STEWARD):
        raise NotAllowed("the first steward is named by whoever owns the machine, not by an administrator")
    invited = {i.name for i in await tx.find(AccountInvite) if i.expires_at > now}
    for other in await tx.find(Account, {"role": Role.STEWARD.value, "disabled": False}):
        if other.password or other.name in invited:
            raise NotNow(f"there is a steward ({other.name}), and {BY_PROPOSAL}; invite an editor or a member first")
        await tx.put(replace(other, role=Role.MEMBER.value))


def rights(row: Account) -> str:
    """An account's rights for the audit log."""
    return f"{row.role}, administrator" if row.admin else row.role
