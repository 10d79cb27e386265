"""A second factor beside the password: one-time codes of an app, and ten recovery codes for the day it is lost.

A code is used up in the transaction that lets its person in, so that of two at once one is right.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from node.accounts.desk import account, own_or_admin
from node.accounts.errors import LoginFailed
from node.accounts.passwords import easy_words
from node.accounts.signing_in import SigningIn
from node.accounts.spending import normal
from node.accounts.totp import SECRET_BYTES, accepted_step, letters, otpauth
from node.accounts.views import FactorView, RecoveryView
from node.errors import NotNow
from node.principal import Principal
from node.store.governing import Account

RECOVERY_CODES: Final = 10
_RECOVERY_GROUPS, _RECOVERY_CHARS = 3, 4  # 12 letters of 31: 59 bits, tried against a brake


class SecondFactor(SigningIn):
    """A person's own second factor; each step but the first code asks for the password again."""

    async def start_factor(self, who: Principal, name: str, password: str) -> FactorView:
        """Draw a secret for an authenticator app; it counts once its first code has come."""
        desk, found = self._desk, own_or_admin(who, name)
        await self.prove(found, password)
        secret = desk.entropy.draw(SECRET_BYTES)
        async with desk.store.write() as tx:
            row = await account(tx, found)
            if row.totp_step:
                raise NotNow("there is a second factor already: remove it first, with a code of it")
            await tx.put(replace(row, totp=desk.vault.seal(row.name, secret)))
        return FactorView(account=found, secret=letters(secret), uri=otpauth(secret, found, desk.issuer))

    async def confirm_factor(self, who: Principal, name: str, code: str) -> RecoveryView:
        """Put the second factor in force by its first code; the answer holds the recovery codes, once."""
        desk, found, now = self._desk, own_or_admin(who, name), self._desk.clock.now()
        async with desk.store.write() as tx:
            row = await account(tx, found)
            secret = desk.vault.open(row.name, row.totp)
            if row.totp_step or secret is None:
                raise NotNow("there is no new second factor to confirm: begin again")
            step = accepted_step(secret, normal(code), 0, now)
            if step is None:
                raise LoginFailed("This code is not right. Is the clock of the phone right? Wait for the next code.")
            codes = self._recovery_codes()
            await tx.put(self._with_codes(replace(row, totp_step=step), codes))
            await desk.note(tx, who.actor, "account.factor.add", row.name, "")
        return RecoveryView(codes=codes)

    async def remove_factor(self, who: Principal, name: str, password: str, code: str) -> None:
        """Do without: needs the password and a code, of the app or a recovery one."""
        desk, found = self._desk, own_or_admin(who, name)
        await self.prove(found, password, code)
        async with desk.store.write() as tx:
            row = await account(tx, found)
            await tx.put(replace(row, totp="", totp_step=0, recovery="[]"))
            await desk.note(tx, who.actor, "account.factor.remove", row.name, "")

    async def renew_recovery(self, who: Principal, name: str, password: str, code: str) -> RecoveryView:
        """Ten new recovery codes; the old ones are void."""
        desk, found = self._desk, own_or_admin(who, name)
        async with desk.store.read() as tx:
            if not (await account(tx, found)).totp_step:
                raise NotNow("there is no second factor that recovery codes could stand for")
        await self.prove(found, password, code)
        codes = self._recovery_codes()
        async with desk.store.write() as tx:
            await tx.put(self._with_codes(await account(tx, found), codes))
            await desk.note(tx, who.actor, "account.recovery.renew", found, "")
        return RecoveryView(codes=codes)

    def _recovery_codes(self) -> list[str]:
        return [easy_words(self._desk.entropy, _RECOVERY_GROUPS, _RECOVERY_CHARS) for _ in range(RECOVERY_CODES)]

    def _with_codes(self, row: Account, codes: list[str]) -> Account:
        return replace(row, recovery=json.dumps([self._desk.vault.mark(row.name, normal(c)) for c in codes]))
