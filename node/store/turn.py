"""One writer at a time within a process, and a transaction that ends when it fails: the same rule in every store."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from node.store.port import StoreError


class WriterTurn:
    """A queue of writers. A task that already has the turn is refused instead of waiting for itself for ever."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is not None and task is self._holder:
            raise StoreError("a write transaction was opened inside another one by the same task")
        await self._lock.acquire()
        self._holder = task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder = None
        self._lock.release()


class Life:
    """Whether a transaction may still be used: after a failed write, or after its block, it may not."""

    __slots__ = ("_ended", "_failure")

    def __init__(self) -> None:
        self._ended = False
        self._failure: StoreError | None = None

    def check(self) -> None:
        """StoreError unless the transaction is open and sound."""
        if self._ended:
            raise StoreError("the transaction has ended")
        if self._failure is not None:
            raise StoreError(f"the transaction failed before and is undone: {self._failure}") from self._failure

    def fail(self, error: StoreError) -> None:
        """Note that a write failed, so the rest of the transaction is refused."""
        self._failure = error

    def end(self) -> None:
        """Note that the block was left."""
        self._ended = True
