"""A memory store with accounts: badr a member, amal a steward, dina an administrator who is no steward."""

from __future__ import annotations

from typing import Self

from node.accounts import Accounts, Hasher
from node.accounts.totp import STEP_S, code_at
from node.principal import LOCAL, Principal
from node.store.governing import Account, Audit
from node.store.memory import MemoryStore
from tests.unit.web.fake_accounts import CHEAP, PASSWORD, TOTP, accounts_on, person, with_factor
from tests.unit.web.fakes import FakeClock, FakeEntropy

PEOPLE = (("amal", "steward", False), ("badr", "member", False), ("dina", "member", True))


class Office:
    """One node's people."""

    def __init__(self) -> None:
        self.store, self.clock, self.entropy = MemoryStore(), FakeClock(), FakeEntropy()
        self.hasher = Hasher(self.entropy, CHEAP)
        self.accounts: Accounts = accounts_on(self.store, self.clock, self.entropy, self.hasher)

    @classmethod
    async def open(cls) -> Self:
        made = cls()
        for name, role, admin in PEOPLE:
            await person(made.accounts, made.store, name, role, admin=admin)
        return made

    async def who(self, name: str, password: str = PASSWORD, code: str = "") -> Principal:
        """Somebody who has just signed in."""
        return (await self.accounts.login(name, password, "192.0.2.1", code=code)).who

    async def row(self, name: str) -> Account:
        async with self.store.read() as tx:
            row = await tx.get(Account, name)
        assert row is not None
        return row

    async def log(self) -> list[tuple[str, str, str]]:
        async with self.store.read() as tx:
            return [(r.actor, r.action, r.subject) for r in await tx.find(Audit, order="id")]

    async def with_factor(self, name: str) -> None:
        await with_factor(self.store, name)

    def code(self, steps: int = 0) -> str:
        """What the phone shows now, or some steps later."""
        return code_at(TOTP, self.clock.now() // STEP_S + steps)

    async def link(self, name: str, role: str = "member") -> str:
        """The secret of an invitation."""
        return (await self.accounts.invite(LOCAL, name, role)).link.rpartition("/")[2]
