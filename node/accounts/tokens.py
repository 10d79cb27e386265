"""Tokens for programs: a token never carries more than its maker may do, nor more than its account may do just then."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from governance.gate import Role
from node.accounts.desk import API, account, digest, not_above, own_or_admin
from node.accounts.signing_in import SigningIn
from node.accounts.views import TokenView
from node.errors import BadInput, NotAllowed, NotFound, NotNow
from node.principal import Principal, Scope, grantable
from node.store.governing import Account, Token
from node.store.port import Writer

MAX_TOKEN_DAYS: Final = 366
TOKEN_PREFIX: Final = "cwt_"  # noqa: S105 - lets people and scanners see what a leaked string is


class Tokens(SigningIn):
    """API tokens."""

    async def token(self, who: Principal, label: str, name: str, scopes: Iterable[str], days: int) -> TokenView:
        """Make an API token for an account; its secret is in this answer only."""
        who.need(Scope.ADMIN)
        wanted, label = frozenset(scopes), label.strip()
        _check(who, wanted, label, days)
        async with self._desk.store.write() as tx:
            owner = await account(tx, name)
            if who.account != owner.name:
                not_above(who, owner)  # it would see what stewards see, whatever its scopes
            return await self._make(tx, who, owner, label, wanted, days)

    async def own_token(
        self, who: Principal, name: str, label: str, scopes: Iterable[str], days: int, password: str
    ) -> TokenView:
        """Make an API token for one's own account; asks for the password, since it outlives the session."""
        found, wanted, label = own_or_admin(who, name), frozenset(scopes), label.strip()
        _check(who, wanted, label, days)
        await self.prove(found, password)
        async with self._desk.store.write() as tx:
            return await self._make(tx, who, await account(tx, found), label, wanted, days)

    async def tokens(self, who: Principal) -> list[TokenView]:
        """All API tokens, without their secrets."""
        who.need(Scope.ADMIN)
        async with self._desk.store.read() as tx:
            rows = await tx.find(Token, {"kind": API})
        return sorted((_view(row) for row in rows), key=lambda view: view.label)

    async def own_tokens(self, who: Principal, name: str) -> list[TokenView]:
        """The API tokens of one's own account."""
        found = own_or_admin(who, name)
        async with self._desk.store.read() as tx:
            await account(tx, found)
            rows = await tx.find(Token, {"kind": API, "account": found})
        return sorted((_view(row) for row in rows), key=lambda view: view.label)

    async def revoke(self, who: Principal, label: str) -> None:
        """End an API token at once."""
        who.need(Scope.ADMIN)
        await self._end(who, {"kind": API, "label": label})

    async def revoke_own(self, who: Principal, name: str, label: str) -> None:
        """End an API token of one's own account."""
        await self._end(who, {"kind": API, "label": label, "account": own_or_admin(who, name)})

    async def _make(
        self, tx: Writer, who: Principal, owner: Account, label: str, wanted: frozenset[str], days: int
    ) -> TokenView:
        excess = wanted - grantable(Role(owner.role), owner.admin)
        if excess:
            raise BadInput(f"{owner.name!r} is a {owner.role}; its tokens cannot carry {', '.join(sorted(excess))}")
        if await tx.count(Token, {"kind": API, "label": label}):
            raise NotNow(f"a token with the label {label!r} exists; revoke it first or use another label")
        desk, now = self._desk, self._desk.clock.now()
        secret, until = TOKEN_PREFIX + desk.secret(), now + days * 86_400
        row = Token(digest(secret), API, owner.name, label, json.dumps(sorted(wanted)), now, until)
        await tx.put(row)
        # A label is a free text and stays out of the log.
        await desk.note(tx, who.actor, "token.make", owner.name, f"{', '.join(sorted(wanted))} for {days} days")
        return _view(row).model_copy(update={"secret": secret})

    async def _end(self, who: Principal, where: dict[str, str]) -> None:
        async with self._desk.store.write() as tx:
            found = await tx.find(Token, where)
            if not found:
                raise NotFound(f"no token with the label {where['label']!r}")
            await tx.delete(Token, where)
            await self._desk.note(tx, who.actor, "token.revoke", found[0].account, "")


def _check(who: Principal, wanted: frozenset[str], label: str, days: int) -> None:
    if not wanted or not label:
        raise BadInput(f"a token needs a label and at least one scope: {', '.join(Scope)}")
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise BadInput(f"a token lasts 1 to {MAX_TOKEN_DAYS} days, not {days}")
    more = wanted - who.scopes
    if more:
        raise NotAllowed(f"{who.actor} cannot give what they may not do: {', '.join(sorted(more))}")


def _view(row: Token) -> TokenView:
    return TokenView(
        label=row.label,
        account=row.account,
        scopes=json.loads(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
