"""A step of a session begun before it is asked for, so that this node and its peer work at the same time.

Only the result waits: a step that is never asked for, or that fails before it is, leaves no trace in the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from federation.effects import Effect


class Ahead:
    """Performs effects, at most one of them early."""

    def __init__(self, perform: Callable[[Effect], Awaitable[Any]]) -> None:
        self._perform = perform
        self._effect: Effect | None = None
        self._task: asyncio.Task[Any] | None = None

    def expect(self, effect: Effect | None) -> None:
        """Begin an effect now, in place of any other that was begun; None begins nothing."""
        self.drop()
        if effect is not None:
            self._effect = effect
            self._task = asyncio.create_task(self._run(effect))

    async def perform(self, effect: Effect) -> Any:
        """The result of an effect, begun already or not."""
        task = self._task
        if task is None or effect != self._effect:
            return await self._perform(effect)
        self._task = None
        try:
            return await task
        finally:
            task.cancel()  # without effect on one that is done: only for when we ourselves were cancelled

    def drop(self) -> None:
        """Give up what was begun and not asked for."""
        if self._task is not None:
            self._task.cancel()
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._task = None

    async def _run(self, effect: Effect) -> Any:
        return await self._perform(effect)
