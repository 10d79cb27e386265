"""A step begun early is the same step: handed over once, and without trace when nobody asks for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from federation.effects import Effect, NextPage
from node.ahead import Ahead


class Steps:
    """Counts what was begun; a step waits until it is let through."""

    def __init__(self) -> None:
        self.begun: list[Effect] = []
        self.ended: list[Effect] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def perform(self, effect: Effect) -> Any:
        self.begun.append(effect)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.ended.append(effect)
        return f"result of {effect}"


async def test_a_step_that_was_begun_is_not_done_twice() -> None:
    steps = Steps()
    ahead = Ahead(steps.perform)
    ahead.expect(NextPage(1))
    await asyncio.sleep(0)
    assert steps.begun == [NextPage(1)]
    steps.open.set()
    assert await ahead.perform(NextPage(1)) == f"result of {NextPage(1)}"
    assert await ahead.perform(NextPage(1)) == f"result of {NextPage(1)}"
    assert steps.begun == [NextPage(1)] * 2  # the second time it is asked for, it is a new step


async def test_another_step_than_the_expected_one_is_done_itself() -> None:
    steps = Steps()
    steps.open.set()
    ahead = Ahead(steps.perform)
    ahead.expect(NextPage(1))
    assert await ahead.perform(NextPage(2)) == f"result of {NextPage(2)}"


async def test_a_step_that_is_given_up_is_cancelled_and_done_anew_when_asked_for() -> None:
    steps = Steps()
    ahead = Ahead(steps.perform)
    ahead.expect(NextPage(1))
    await asyncio.sleep(0)
    ahead.expect(None)
    await asyncio.sleep(0)
    steps.open.set()
    await ahead.perform(NextPage(1))
    assert steps.begun == [NextPage(1)] * 2
    assert steps.ended == [NextPage(1)]


async def test_an_early_failure_strikes_only_who_asks_for_it() -> None:
    steps = Steps()
    steps.error = OSError("the line broke")
    steps.open.set()
    ahead = Ahead(steps.perform)
    ahead.expect(NextPage(1))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="the line broke"):
        await ahead.perform(NextPage(1))
    ahead.expect(NextPage(1))
    await asyncio.sleep(0)
    ahead.drop()


async def test_who_is_cancelled_while_waiting_takes_the_step_along() -> None:
    steps = Steps()
    ahead = Ahead(steps.perform)
    ahead.expect(NextPage(1))
    waiting = asyncio.create_task(ahead.perform(NextPage(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    steps.open.set()
    await asyncio.sleep(0)
    assert not steps.ended
