"""An event loop whose time is virtual: it jumps to the next timer as soon as nobody has anything to do.

So a month of waiting costs nothing, and the same program takes the same steps in the same order every time. Work in
threads is done at once, in the loop's own thread.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

T = TypeVar("T")

OWNER: Final[ContextVar[str]] = ContextVar("owner", default="")  # the node whose process a task belongs to


class Deadlock(AssertionError):
    """Everybody waits for somebody."""


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would sleep, time jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is left to happen, and the schedule has not ended")
        self.elapsed_s += max(timeout, 0.0)
        return []  # nobody listens to a real socket here


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and moves only where it would be slept away."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.tasks: dict[str, dict[asyncio.Task[Any], None]] = {}  # by owner, in the order of their beginning
        self.faults: list[BaseException] = []  # of tasks that nobody waits for
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._jumping.elapsed_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def _make_task(self, _loop: Any, coro: Coroutine[Any, Any, T], **more: Any) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, **more)
        mine = self.tasks.setdefault(OWNER.get(), {})
        mine[task] = None
        task.add_done_callback(lambda t: mine.pop(t, None))
        return task

    def note_fault(self, task: asyncio.Task[Any]) -> None:
        """Remember what a task ended with that nobody waits for."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.faults.append(error)


def aside(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Begin work that belongs to no node and that nobody waits for; an error in it ends the schedule."""
    task = owned("", work)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    task.add_done_callback(loop.note_fault)


def owned(owner: str, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
    """Begin work as a task of a node's process, and all it begins too."""
    token = OWNER.set(owner)
    try:
        return asyncio.get_running_loop().create_task(work())
    finally:
        OWNER.reset(token)


def at_once(work: Awaitable[T]) -> T:
    """The result of a coroutine that never waits, such as a question to a store in memory."""
    try:
        work.__await__().send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it waits")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a virtual loop; whatever is left then is cancelled."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
