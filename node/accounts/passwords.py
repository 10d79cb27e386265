"""Passwords: what one must be, how one is made up, and how it is checked without using up the memory.

Argon2id runs in a thread, few at once and few waiting; people on a device that is known go first, so that a flood of
strangers' logins cannot keep them out.
"""

from __future__ import annotations

import asyncio
import unicodedata
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

from node.accounts.errors import TooManyAttempts
from node.clock import Entropy
from node.errors import BadInput

MIN_PASSWORD_CHARS: Final = 12  # NIST SP 800-63B asks for 8 at least, 15 where it stands alone; a phrase is longer
MAX_PASSWORD_BYTES: Final = 1_024  # more adds nothing, and hashing it is work for a stranger
HASHES_AT_ONCE: Final = 1  # each takes 256 MiB under moderate limits; a small server has one to spare
HASHES_WAITING: Final = 16  # of strangers, and again of known ones; at under a second each a page can wait for it
_EASY_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another one


@dataclass(frozen=True, slots=True)
class Cost:
    """What one Argon2id hash takes; `mem_bytes` is libsodium's memlimit."""

    ops: int = argon2id.OPSLIMIT_MODERATE
    mem_bytes: int = argon2id.MEMLIMIT_MODERATE


MODERATE: Final = Cost()


class Hasher:
    """Argon2id in a thread, one after the other, with a short queue for each of known and unknown people."""

    def __init__(self, entropy: Entropy, cost: Cost = MODERATE) -> None:
        self._cost = cost
        self._running = 0
        self._known: deque[asyncio.Future[None]] = deque()
        self._strangers: deque[asyncio.Future[None]] = deque()
        # Checking against this takes as long as against a real one; no password fits, it is a hash of nothing.
        salt, digest = (b64encode(entropy.draw(n)).decode().rstrip("=") for n in (16, 32))
        self.nobody: Final = f"$argon2id$v=19$m={cost.mem_bytes // 1024},t={cost.ops},p=1${salt}${digest}"

    async def make(self, password: str) -> str:
        """The string that checks the password later."""
        made = await self._run(
            lambda: argon2id.str(nfc_bytes(password), opslimit=self._cost.ops, memlimit=self._cost.mem_bytes), True
        )
        return made.decode().rstrip("\0")

    async def fits(self, stored: str | None, password: str, *, known: bool = False) -> bool:
        """True if the password made `stored`; None or an empty one takes as long and is never right."""
        against = (stored or self.nobody).encode()

        def check() -> bytes:
            try:
                return b"yes" if argon2id.verify(against, nfc_bytes(password)) else b""
            except InvalidkeyError:
                return b""

        return bool(await self._run(check, known)) and bool(stored)

    async def _run(self, work: Callable[[], bytes], known: bool) -> bytes:
        await self._turn(self._known if known else self._strangers)
        try:
            return await asyncio.to_thread(work)
        finally:
            self._next()

    async def _turn(self, queue: deque[asyncio.Future[None]]) -> None:
        if self._running < HASHES_AT_ONCE:
            self._running += 1
            return
        if len(queue) >= HASHES_WAITING:
            raise TooManyAttempts("Too many people are signing in at this moment; try again in a few seconds.", 5)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # the turn came at the same moment: hand it on
                self._next()
            elif place in queue:
                queue.remove(place)
            raise

    def _next(self) -> None:
        for queue in (self._known, self._strangers):
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._running -= 1


def easy_words(entropy: Entropy, groups: int, chars: int) -> str:
    """A made-up secret that is easy to copy by hand: 20 letters of 31 are 99 bits."""
    # Rejecting bytes above the last whole multiple keeps all letters equally likely.
    bound, letters = 256 - 256 % len(_EASY_LETTERS), ""
    while len(letters) < groups * chars:
        letters += "".join(_EASY_LETTERS[b % len(_EASY_LETTERS)] for b in entropy.draw(32) if b < bound)
    return "-".join(letters[i * chars : (i + 1) * chars] for i in range(groups))


def check_password(password: str) -> None:
    """Raise `BadInput` for a password that is too short or too long."""
    if len(password) < MIN_PASSWORD_CHARS or len(nfc_bytes(password)) > MAX_PASSWORD_BYTES:
        raise BadInput(
            f"a password has {MIN_PASSWORD_CHARS} characters or more, and at most {MAX_PASSWORD_BYTES} bytes"
        )


def nfc_bytes(password: str) -> bytes:
    """A password's bytes: the same for all keyboards."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "replace")
