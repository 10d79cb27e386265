"""How an act is checked, previewed, said in words and carried out: one `Doing` for each family of acts.

`carry` does its part in the transaction of the activation; what needs the network or memory follows the commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from governance.speech import Say
from node.previews.previews import WhatIf
from node.stewards import By
from node.store.port import Reader, Writer

A = TypeVar("A")


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Carried:
    """What an act did: its subject, what follows the commit, and what takes back what was done in memory."""

    subject: str
    after: Callable[[], Awaitable[object]] = _nothing
    undo: Callable[[], None] | None = None


class Doing(Protocol[A]):
    """One family of acts."""

    async def settle(self, tx: Reader, act: A) -> A:
        """The act with every name made exact; a `NodeError` says why it cannot be done and what to do instead."""

    async def what_if(self, tx: Reader, act: A) -> WhatIf | None:
        """What the gate would be asked under it; None if it changes nothing that is shared."""

    async def words(self, tx: Reader, act: A, say: Say) -> list[str]:
        """What is proposed, in sentences for people."""

    async def carry(self, tx: Writer, act: A, by: By) -> Carried:
        """Do it; raises a `NodeError` if it cannot be done any more."""
