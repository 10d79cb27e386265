"""Accounts, sessions and API tokens. The store never sees a password or a secret, only what can check one.

An unknown name, a wrong password and a disabled account look the same and take the same time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

from governance.gate import Member, Role
from node.clock import Clock, Entropy
from node.errors import BadInput, NodeError, NotFound, NotNow
from node.principal import ROLE_SCOPES, Principal, Scope, grantable
from node.store.governing import Account, Audit, Token
from node.store.port import Store, Writer
from node.views import AccountView, TokenView

MIN_PASSWORD_CHARS: Final = 12  # NIST SP 800-63B asks for 8 at least, 15 where it stands alone; a phrase is longer
MAX_PASSWORD_BYTES: Final = 1_024  # more adds nothing, and hashing it is work for a stranger
SESSION_S: Final = 7 * 86_400  # a week: a phone that was lost stops on its own
MAX_TOKEN_DAYS: Final = 366
SECRET_BYTES: Final = 32
TOKEN_PREFIX: Final = "cwt_"  # noqa: S105 - lets people and scanners see what a leaked string is
HASHES_AT_ONCE: Final = 1  # each takes 256 MiB under moderate limits; a small server has one to spare
HASHES_WAITING: Final = 16  # at under a second each nobody waits longer than a page may take
FREE_FAILURES: Final = 5  # typing mistakes of a person
MAX_PAUSE_S: Final = 300  # slow enough against guessing, short enough for whoever shares an address with a guesser
MAX_TRACKED: Final = 10_000  # pairs of account and address that failures are kept for; the oldest go first
_NAME: Final = re.compile(r"[^\W_][\w.@-]{0,63}\Z")
_EASY_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another one
_GROUPS, _GROUP_CHARS = 5, 4  # 20 letters of 31: 99 bits

SESSION: Final = "session"
TokenViews = list[TokenView]  # inside the class, `list` is the use case
API: Final = "api"


class LoginFailed(NodeError):
    """Name and password do not go together; which of the two is not said."""

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


@dataclass(frozen=True, slots=True)
class Cost:
    """What one Argon2id hash takes; `mem_bytes` is libsodium's memlimit."""

    ops: int = argon2id.OPSLIMIT_MODERATE
    mem_bytes: int = argon2id.MEMLIMIT_MODERATE


MODERATE: Final = Cost()


class Hasher:
    """Argon2id in a thread, few at once and few waiting, so that logins cannot use up the memory."""

    def __init__(self, entropy: Entropy, cost: Cost = MODERATE) -> None:
        self._cost = cost
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._inside = 0
        # Checking against this takes as long as against a real one; no password fits, it is a hash of nothing.
        salt, digest = (b64encode(entropy.draw(n)).decode().rstrip("=") for n in (16, 32))
        self._nobody = f"$argon2id$v=19$m={cost.mem_bytes // 1024},t={cost.ops},p=1${salt}${digest}".encode()

    async def make(self, password: str) -> str:
        """The string that checks the password later."""
        made = await self._run(
            lambda: argon2id.str(_bytes(password), opslimit=self._cost.ops, memlimit=self._cost.mem_bytes)
        )
        return made.decode().rstrip("\0")

    async def fits(self, stored: str | None, password: str) -> bool:
        """True if the password made `stored`; None takes as long and is never right."""
        against = self._nobody if stored is None else stored.encode()

        def check() -> bytes:
            try:
                return b"yes" if argon2id.verify(against, _bytes(password)) else b""
            except InvalidkeyError:
                return b""

        return bool(await self._run(check)) and stored is not None

    async def _run(self, work: Callable[[], bytes]) -> bytes:
        if self._inside >= HASHES_AT_ONCE + HASHES_WAITING:
            raise TooManyAttempts("Too many people are signing in at this moment; try again in a few seconds.", 5)
        self._inside += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._inside -= 1


class Brake:
    """Failed logins per account and address: a pause that doubles. It never touches anyone else's attempts."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], tuple[int, int]] = {}

    def check(self, name: str, address: str, now: int) -> None:
        """Raise `TooManyAttempts` while the pair has to wait."""
        count, last = self._failures.get((name, address), (0, 0))
        wait = last + _pause_s(count) - now
        if wait > 0:
            raise TooManyAttempts(f"Too many failed attempts; try again in {wait} seconds.", wait)

    def failed(self, name: str, address: str, now: int) -> None:
        """Count a failure."""
        count, last = self._failures.pop((name, address), (0, 0))
        if now - last > 2 * MAX_PAUSE_S:
            count = 0
        self._failures[(name, address)] = (count + 1, now)
        while len(self._failures) > MAX_TRACKED:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, name: str, address: str) -> None:
        """Forget the pair's failures."""
        self._failures.pop((name, address), None)


class Accounts:
    """People, their sessions and their tokens."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, hasher: Hasher | None = None) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._hasher = hasher or Hasher(entropy)
        self._brake = Brake()

    async def add(self, who: Principal, name: str, role: str, password: str | None = None) -> AccountView:
        """Add a person; a password that was made up here is in the answer, once."""
        who.need(Scope.ADMIN)
        name, as_role = _account_name(name), _role(role)
        if password is not None:
            _check_password(password)
        secret = password or self._easy_password()
        row = Account(name, as_role, await self._hasher.make(secret), self._clock.now())
        async with self._store.write() as tx:
            if await tx.get(Account, name) is not None:
                raise NotNow(f"the account {name!r} exists already; choose another name")
            await tx.put(row)
            await self._note(tx, who, "account.add", name, row.role)
        return _account_view(row).model_copy(update={"password": None if password else secret})

    async def list(self, who: Principal) -> list[AccountView]:
        """All accounts, disabled ones too."""
        who.need(Scope.ADMIN)
        async with self._store.read() as tx:
            return [_account_view(row) for row in await tx.find(Account)]

    async def disable(self, who: Principal, name: str) -> AccountView:
        """Shut an account: its sessions and tokens end with it."""
        who.need(Scope.ADMIN)
        async with self._store.write() as tx:
            row = await tx.get(Account, _fold(name))
            if row is None:
                raise NotFound(f"no account {name!r}")
            shut = replace(row, disabled=True)
            await tx.put(shut)
            ended = await tx.delete(Token, {"account": row.name})
            await self._note(tx, who, "account.disable", row.name, f"{ended} sessions and tokens ended")
        return _account_view(shut)

    async def login(self, name: str, password: str, address: str) -> tuple[str, Principal]:
        """A session's secret and who it is; `LoginFailed` or `TooManyAttempts`. `address` only counts failures."""
        name, now = _fold(name), self._clock.now()
        self._brake.check(name, address, now)
        async with self._store.read() as tx:
            row = await tx.get(Account, name)
        usable = row is not None and not row.disabled and len(_bytes(password)) <= MAX_PASSWORD_BYTES
        right = await self._hasher.fits(row.password if row and usable else None, password[:MAX_PASSWORD_BYTES])
        if row is None or not right:
            self._brake.failed(name, address, now)
            raise LoginFailed("This name and password do not go together.")
        self._brake.succeeded(name, address)
        secret, token = self._token(SESSION, name, "", (), now, now + SESSION_S)
        async with self._store.write() as tx:
            again = await tx.get(Account, name)
            if again is None or again.disabled:  # shut while the password was being checked
                raise LoginFailed("This name and password do not go together.")
            await tx.delete(Token, upto=("expires_at", now))
            await tx.put(token)
        return secret, _principal(row, ROLE_SCOPES[Role(row.role)])

    async def session(self, secret: str) -> Principal | None:
        """Who a session's secret stands for, None when it is unknown, over or its account is shut."""
        found = await self._find(secret, SESSION)
        return None if found is None else _principal(found[0], ROLE_SCOPES[Role(found[0].role)])

    async def bearer(self, secret: str) -> Principal | None:
        """Who an API token stands for, with the scopes that both the token and the account's role allow."""
        found = await self._find(secret, API)
        if found is None:
            return None
        account, token = found
        return _principal(account, frozenset(json.loads(token.scopes)) & grantable(Role(account.role)))

    async def logout(self, secret: str) -> None:
        """End a session."""
        async with self._store.write() as tx:
            await tx.delete(Token, {"hash": _digest(secret), "kind": SESSION})

    async def token(self, who: Principal, label: str, account: str, scopes: Iterable[str], days: int) -> TokenView:
        """Make an API token for an account; its secret is in this answer only."""
        who.need(Scope.ADMIN)
        wanted = frozenset(scopes)
        if not wanted or not label.strip():
            raise BadInput("a token needs a label and at least one scope: read, write, steward or admin")
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise BadInput(f"a token lasts 1 to {MAX_TOKEN_DAYS} days, not {days}")
        now = self._clock.now()
        secret, row = self._token(API, _fold(account), label.strip(), sorted(wanted), now, now + days * 86_400)
        async with self._store.write() as tx:
            owner = await tx.get(Account, _fold(account))
            if owner is None or owner.disabled:
                raise NotFound(f"no account {account!r} that is in use")
            excess = wanted - grantable(Role(owner.role))
            if excess:
                raise BadInput(f"{account!r} is a {owner.role}; its tokens cannot carry {', '.join(sorted(excess))}")
            if await tx.count(Token, {"kind": API, "label": row.label}):
                raise NotNow(f"a token with the label {row.label!r} exists; revoke it first or use another label")
            await tx.put(row)
            await self._note(tx, who, "token.make", owner.name, f"{', '.join(sorted(wanted))} for {days} days")
        return _token_view(row).model_copy(update={"secret": secret})

    async def tokens(self, who: Principal) -> TokenViews:
        """All API tokens, without their secrets."""
        who.need(Scope.ADMIN)
        async with self._store.read() as tx:
            rows = await tx.find(Token, {"kind": API})
        return sorted((_token_view(row) for row in rows), key=lambda view: view.label)

    async def revoke(self, who: Principal, label: str) -> None:
        """End an API token at once."""
        who.need(Scope.ADMIN)
        async with self._store.write() as tx:
            found = await tx.find(Token, {"kind": API, "label": label})
            if not found:
                raise NotFound(f"no token with the label {label!r}")
            await tx.delete(Token, {"kind": API, "label": label})
            await self._note(tx, who, "token.revoke", found[0].account)

    async def _note(self, tx: Writer, who: Principal, action: str, account: str, detail: str = "") -> None:
        """Into the audit log, in the same transaction; a token's label is a free text and stays out of it."""
        await tx.put(Audit(await tx.next_seq(), self._clock.now(), who.actor, action, account, detail))

    async def _find(self, secret: str, kind: str) -> tuple[Account, Token] | None:
        async with self._store.read() as tx:
            token = await tx.get(Token, _digest(secret))
            if token is None or token.kind != kind or token.expires_at <= self._clock.now():
                return None
            account = await tx.get(Account, token.account)
        return None if account is None or account.disabled else (account, token)

    def _token(
        self, kind: str, account: str, label: str, scopes: Iterable[str], now: int, until: int
    ) -> tuple[str, Token]:
        secret = urlsafe_b64encode(self._entropy.draw(SECRET_BYTES)).decode().rstrip("=")
        secret = TOKEN_PREFIX + secret if kind == API else secret
        return secret, Token(_digest(secret), kind, account, label, json.dumps(list(scopes)), now, until)

    def _easy_password(self) -> str:
        # Rejecting bytes above the last whole multiple keeps all letters equally likely.
        bound, letters = 256 - 256 % len(_EASY_LETTERS), ""
        while len(letters) < _GROUPS * _GROUP_CHARS:
            letters += "".join(_EASY_LETTERS[b % len(_EASY_LETTERS)] for b in self._entropy.draw(32) if b < bound)
        return "-".join(letters[i * _GROUP_CHARS : (i + 1) * _GROUP_CHARS] for i in range(_GROUPS))


def _pause_s(failures: int) -> int:
    return 0 if failures < FREE_FAILURES else min(MAX_PAUSE_S, 2 << min(failures - FREE_FAILURES, 10))


def _digest(secret: str) -> bytes:
    # 256 random bits need no slow hash, and a plain one can be looked up by key.
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "replace")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _account_name(name: str) -> str:
    folded = _fold(name)
    if not _NAME.match(folded):
        raise BadInput(
            f"account name {name!r}: use 1 to 64 letters, digits, dots, hyphens or @, beginning with a letter"
        )
    return folded


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise BadInput(f"unknown role {role!r}: one of {', '.join(Role)}") from None


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD_CHARS or len(password.encode()) > MAX_PASSWORD_BYTES:
        raise BadInput(
            f"a password has {MIN_PASSWORD_CHARS} characters or more, and at most {MAX_PASSWORD_BYTES} bytes"
        )


def _principal(row: Account, scopes: frozenset[str]) -> Principal:
    return Principal(row.name, Member(Role(row.role), row.name), scopes)


def _account_view(row: Account) -> AccountView:
    return AccountView(name=row.name, role=row.role, created_at=row.created_at, disabled=row.disabled)


def _token_view(row: Token) -> TokenView:
    return TokenView(
        label=row.label,
        account=row.account,
        scopes=json.loads(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
