"""How a code of the second factor is used up: account and code become the account without that code, or nothing."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace

from node.accounts.totp import accepted_step
from node.accounts.vault import Vault
from node.store.governing import Account


def normal(code: str) -> str:
    """A code without what people put in when they copy it."""
    return "".join(c for c in code.casefold() if c.isalnum())


def spent(vault: Vault, row: Account, code: str, now: int) -> Account | None:
    """The account after the code was used, None for a wrong one; unchanged where no second factor is in force."""
    if not row.totp_step:
        return row
    given = normal(code)
    secret = vault.open(row.name, row.totp)
    step = None if secret is None else accepted_step(secret, given, row.totp_step, now)
    if step is not None:
        return replace(row, totp_step=step)
    mark, kept = vault.mark(row.name, given), json.loads(row.recovery)
    left = [known for known in kept if not hmac.compare_digest(known, mark)]
    return replace(row, recovery=json.dumps(left)) if len(left) < len(kept) else None
