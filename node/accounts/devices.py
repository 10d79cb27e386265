"""Secrets that a browser keeps: sessions, and the devices that a person has signed in from before.

A device lets nobody in. It only says that its attempts are not those of strangers, so that these cannot slow it down.
"""

from __future__ import annotations

from typing import Final

from node.accounts.desk import DEVICE, Desk, digest
from node.store.governing import Token
from node.store.port import Reader, Writer

DEVICE_S: Final = 400 * 86_400  # the longest that browsers keep a cookie (RFC 6265bis, 5.5)
MAX_DEVICES: Final = 20  # of one account; the oldest go first
DEVICES_OF_A_BROWSER: Final = 4  # people who share one


async def known_device(tx: Reader, name: str, cookie: str, now: int) -> str:
    """The id of the device in the cookie from which the account was signed in to, empty for a stranger's."""
    for secret in _secrets(cookie):
        row = await tx.get(Token, digest(secret))
        if row and row.kind == DEVICE and row.account == name and row.expires_at > now:
            return row.hash.hex()
    return ""


async def new_device(desk: Desk, tx: Writer, name: str, cookie: str) -> str:
    """The cookie with one device more. The secret is always ours: one that was planted is not made known."""
    known = await tx.find(Token, {"account": name, "kind": DEVICE})
    surplus = sorted(known, key=lambda row: row.created_at)[: max(0, len(known) - MAX_DEVICES + 1)]
    if surplus:
        await tx.delete(Token, {"hash": [row.hash for row in surplus]})
    made = await remember(desk, tx, DEVICE, name, DEVICE_S)
    return ".".join([made, *_secrets(cookie)][:DEVICES_OF_A_BROWSER])


async def remember(desk: Desk, tx: Writer, kind: str, name: str, lasts_s: int, label: str = "") -> str:
    """A new secret of a browser; what has run out goes."""
    now, secret = desk.clock.now(), desk.secret()
    await tx.delete(Token, upto=("expires_at", now))
    await tx.put(Token(digest(secret), kind, name, label, "[]", now, now + lasts_s))
    return secret


def _secrets(cookie: str) -> list[str]:
    return [part for part in cookie.split(".")[:DEVICES_OF_A_BROWSER] if part]
