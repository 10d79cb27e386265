"""Real accounts over a memory store, with a hash that costs little and a log of plain rows."""

from __future__ import annotations

import json
from dataclasses import replace

from node.accounts import Accounts, Cost, Hasher, Note, Vault, set_role
from node.accounts.spending import normal
from node.accounts.totp import STEP_S, code_at
from node.clock import Clock, Entropy
from node.principal import LOCAL
from node.store.governing import Account, Audit
from node.store.port import Store, Writer

CHEAP = Cost(ops=1, mem_bytes=8192)
PASSWORD = "correct horse battery"
KEY = bytes(range(32))
TOTP = b"12345678901234567890"
RECOVERY = "abcd-efgh-jkmn"
NOW = 1_790_000_000  # of `fakes.FakeClock`
FIRST_CODE = code_at(TOTP, NOW // STEP_S)


def plain_log(clock: Clock) -> Note:
    """As `Core.audit` notes it."""

    async def note(tx: Writer, actor: str, action: str, subject: str, detail: str) -> None:
        await tx.put(Audit(await tx.next_seq(), clock.now(), actor, action, subject, detail))

    return note


def accounts_on(store: Store, clock: Clock, entropy: Entropy, hasher: Hasher | None = None) -> Accounts:
    """The use cases, at an address of their own."""
    return Accounts(
        store, clock, entropy, Vault(KEY, entropy), plain_log(clock),
        hasher=hasher or Hasher(entropy, CHEAP), address="https://river.example", issuer="River House",
    )  # fmt: skip


async def person(accounts: Accounts, store: Store, name: str, role: str, *, admin: bool = False) -> None:
    """Somebody with `PASSWORD` and a role, however many stewards there are."""
    await accounts.add(LOCAL, name, "member", PASSWORD, admin=admin)
    async with store.write() as tx:
        await set_role(tx, name, role)


async def with_factor(store: Store, name: str, until: str = "") -> None:
    """A second factor with one recovery code, in force but for the operations before that."""
    vault = Vault(KEY, _Zeros())
    step = 0 if until in ("start_factor", "confirm_factor") else 1
    async with store.write() as tx:
        row = await tx.get(Account, name)
        assert row is not None
        recovery = json.dumps([vault.mark(name, normal(RECOVERY))])
        await tx.put(replace(row, totp=vault.seal(name, TOTP), totp_step=step, recovery=recovery))


class _Zeros:
    def draw(self, size: int) -> bytes:
        return bytes(size)
