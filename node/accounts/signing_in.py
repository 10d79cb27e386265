"""Signing in and staying signed in. The store has only hashes of what a browser keeps.

An unknown name, a wrong password, a wrong code and a disabled account look the same and take the same time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from governance.gate import Role
from node.accounts.brake import Source, source_of
from node.accounts.desk import (
    API,
    DEVICE,
    SESSION,
    Room,
    account,
    digest,
    folded,
    notices,
    own_or_admin,
    principal,
)
from node.accounts.devices import known_device, new_device, remember
from node.accounts.errors import LoginFailed, TooManyAttempts
from node.accounts.passwords import MAX_PASSWORD_BYTES, check_password, nfc_bytes
from node.accounts.spending import spent
from node.accounts.views import SessionView
from node.errors import NotFound
from node.principal import Principal, grantable
from node.store.governing import Account, AccountInvite, Token

SESSION_S: Final = 7 * 86_400  # a week: a phone that was lost stops on its own
MAX_LABEL_CHARS: Final = 60
_TOGETHER: Final = "This name, password and code do not go together. Whoever has a second factor has to give its code."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: its secret, who it is, what the browser keeps as devices, and whether there is news for them."""

    secret: str
    who: Principal
    devices: str
    news: bool


class SigningIn(Room):
    """Sessions, and the devices they came from."""

    async def login(
        self, name: str, password: str, address: str, *, code: str = "", devices: str = "", label: str = ""
    ) -> SignedIn:
        """A new session; `LoginFailed` or `TooManyAttempts`. `address` only counts failures and is not kept.

        `devices` is the browser's cookie of earlier logins, which strangers' failures do not slow down.
        """
        desk, name, now = self._desk, folded(name), self._desk.clock.now()
        async with desk.store.read() as tx:
            device = await known_device(tx, name, devices, now)
        source = Source(f"device {device}", True) if device else source_of(address)
        row = await self._check(name, password, code, source)
        async with desk.store.write() as tx:
            again = await tx.get(Account, name)  # shut, changed, or its code used by another while we checked
            after = None if again is None or _shut(again, row) else spent(desk.vault, again, code, now)
            if after is None:
                raise LoginFailed(_TOGETHER)
            desk.brake.succeeded(name, source)
            await tx.put(after)
            secret = await remember(desk, tx, SESSION, name, SESSION_S, label[:MAX_LABEL_CHARS])
            kept = devices if device else await new_device(desk, tx, name, devices)
        return SignedIn(secret, _session_principal(after), kept, bool(notices(after)))

    async def prove(self, name: str, password: str, code: str | None = None) -> None:
        """Ask a person who is signed in once more, before something weighty; a code that is given is used up."""
        desk = self._desk
        async with desk.store.read() as tx:
            await account(tx, name)
        source = Source("asked again", True)
        row = await self._check(name, password, code, source)
        if code is not None:
            async with desk.store.write() as tx:
                again = await tx.get(Account, name)
                after = None if again is None or _shut(again, row) else spent(desk.vault, again, code, desk.clock.now())
                if after is None:
                    raise LoginFailed(_TOGETHER)
                await tx.put(after)
        desk.brake.succeeded(name, source)

    async def _check(self, name: str, password: str, code: str | None, source: Source) -> Account:
        """The account whose password and code these are, or `LoginFailed`; the code is not yet used up."""
        desk, now = self._desk, self._desk.clock.now()
        desk.brake.begin(name, source, now)
        async with desk.store.read() as tx:
            row = await tx.get(Account, name)
        usable = row is not None and not row.disabled and len(nfc_bytes(password)) <= MAX_PASSWORD_BYTES
        stored = row.password if row and usable else None
        try:
            right = await desk.hasher.fits(stored, password[:MAX_PASSWORD_BYTES], known=source.known)
        except TooManyAttempts:
            desk.brake.not_tried(name, source)
            raise
        factor = row is not None and (code is None or spent(desk.vault, row, code, now) is not None)
        if row is None or not right or not factor:
            raise LoginFailed(_TOGETHER)
        return row

    async def session(self, secret: str) -> Principal | None:
        """Who a session's secret stands for, None when it is unknown, over or its account is shut."""
        found = await self._find(secret, SESSION)
        return None if found is None else _session_principal(found[0])

    async def bearer(self, secret: str) -> Principal | None:
        """Who an API token stands for, with the scopes that both the token and the account's role allow."""
        found = await self._find(secret, API)
        if found is None:
            return None
        row, token = found
        return principal(row, frozenset(json.loads(token.scopes)) & grantable(Role(row.role), row.admin))

    async def logout(self, secret: str) -> None:
        """End a session."""
        async with self._desk.store.write() as tx:
            await tx.delete(Token, {"hash": digest(secret), "kind": SESSION})

    async def sessions(self, who: Principal, name: str, current: str = "") -> list[SessionView]:
        """Where a person is signed in; `current` is the secret of the session that asks."""
        found, now = own_or_admin(who, name), self._desk.clock.now()
        async with self._desk.store.read() as tx:
            await account(tx, found)
            rows = await tx.find(Token, {"account": found, "kind": SESSION})
        here = digest(current)
        return [
            SessionView(
                id=_session_id(row), label=row.label, created_at=row.created_at, expires_at=row.expires_at,
                current=row.hash == here,
            )
            for row in sorted(rows, key=lambda row: -row.created_at)
            if row.expires_at > now
        ]  # fmt: skip

    async def end_session(self, who: Principal, name: str, session_id: str | None = None, keep: str = "") -> int:
        """End one session by its id, or all of a person but the one of the secret `keep`; how many."""
        found, desk = own_or_admin(who, name), self._desk
        async with desk.store.write() as tx:
            await account(tx, found)
            rows = [r for r in await tx.find(Token, {"account": found, "kind": SESSION}) if r.hash != digest(keep)]
            ended = [r.hash for r in rows if session_id in (None, _session_id(r))]
            if session_id is not None and not ended:
                raise NotFound(f"no session {session_id!r} of this account")
            if ended:
                await tx.delete(Token, {"hash": ended})
                await desk.note(tx, who.actor, "account.sessions.end", found, f"{len(ended)} ended")
        return len(ended)

    async def change_password(self, who: Principal, name: str, password: str, new: str, keep: str = "") -> None:
        """Change one's own password; all other sessions end, and no device is known any more."""
        found, desk = own_or_admin(who, name), self._desk
        check_password(new)
        await self.prove(found, password)
        hashed = await desk.hasher.make(new)
        async with desk.store.write() as tx:
            row = await account(tx, found)
            await tx.put(replace(row, password=hashed))
            kept = await tx.get(Token, digest(keep))
            ended = 0
            for kind in (SESSION, DEVICE):
                ended += await tx.delete(Token, {"account": found, "kind": kind})
            await tx.delete(AccountInvite, {"name": found})
            if kept is not None and kept.kind == SESSION and kept.account == found:
                await tx.put(kept)
            await desk.note(tx, who.actor, "account.password", found, "the other sessions ended")

    async def told(self, who: Principal, name: str) -> None:
        """The person has read what was done to the account."""
        found = own_or_admin(who, name)
        async with self._desk.store.write() as tx:
            await tx.put(replace(await account(tx, found), notices="[]"))

    async def _find(self, secret: str, kind: str) -> tuple[Account, Token] | None:
        async with self._desk.store.read() as tx:
            token = await tx.get(Token, digest(secret))
            if token is None or token.kind != kind or token.expires_at <= self._desk.clock.now():
                return None
            row = await tx.get(Account, token.account)
        return None if row is None or row.disabled else (row, token)


def _shut(now: Account, then: Account) -> bool:
    return now.disabled or now.password != then.password


def _session_principal(row: Account) -> Principal:
    return principal(row, grantable(Role(row.role), row.admin))


def _session_id(row: Token) -> str:
    return row.hash.hex()[:16]
