"""Random operations on the memory store and on SQLite give the same rows, errors and numbers, step by step."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from node.store.memory import MemoryStore
from node.store.port import Reader, Store, StoreConflict, StoreError, Writer
from node.store.rows import Copy, Custody
from node.store.sql import open_store
from tests.contract.store.samples import copy, custody

_small = st.integers(0, 5)
_maybe = st.none() | _small
_copies = st.builds(lambda n, r, via, ends: copy(n, rid=f"r{r}", via=via, ends_at=ends), _small, _small, _maybe, _maybe)
_custody = st.builds(custody, st.integers(0, 2), _small, _small)
_changes = st.lists(
    st.tuples(st.just("put"), _copies | _custody)
    | st.tuples(st.just("many"), st.lists(_copies, max_size=4) | st.lists(_custody, max_size=4))
    | st.tuples(st.just("delete"), st.fixed_dictionaries({}, optional={"via": _maybe | st.lists(_maybe), "id": _small}))
    | st.tuples(st.just("seq"), st.integers(1, 3))
    | st.tuples(st.just("stop"), st.none()),
    max_size=6,
)
_asked = st.fixed_dictionaries(
    {"descending": st.booleans()},
    optional={
        "where": st.fixed_dictionaries({}, optional={"via": _maybe | st.lists(_maybe, max_size=3), "ver": st.just(0)}),
        "above": st.tuples(st.sampled_from(["id", "ends_at", "via"]), _small),
        "upto": st.tuples(st.sampled_from(["id", "ends_at", "via"]), _small),
        "order": st.sampled_from(["id", "ends_at", "via", "rid", "own"]),
        "limit": st.integers(0, 4),
    },
)
_asked_custody = st.fixed_dictionaries(
    {"descending": st.booleans()},
    optional={
        "where": st.fixed_dictionaries({}, optional={"peer": _small | st.lists(_small, max_size=3), "copy": _small}),
        "above": st.tuples(st.sampled_from(["seq", "copy"]), _small),
        "upto": st.tuples(st.sampled_from(["seq", "peer"]), _small),
        "order": st.sampled_from(["seq", "copy", "peer"]),
        "limit": st.integers(0, 4),
    },
)


class _Stop(Exception):
    """Ends a transaction from inside."""


async def _change(w: Writer, what: str, value: Any) -> Any:
    if what == "put":
        return await w.put(value)
    if what == "many":
        return await w.put_many(value)
    if what == "delete":
        return await w.delete(Copy, value)
    if what == "seq":
        return await w.next_seq(value)
    raise _Stop


async def _outcome(store: Store, changes: list[tuple[str, Any]]) -> list[Any]:
    answers: list[Any] = []
    try:
        async with store.write() as w:
            for what, value in changes:
                answers += [await _change(w, what, value), await w.find(Copy), await w.count(Custody)]
    except (StoreError, _Stop) as error:
        answers.append(type(error).__name__)
    return answers


class TwoStores(RuleBasedStateMachine):
    """The same steps on both."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp()
        self.stores: list[Store] = [
            MemoryStore(),
            self.loop.run_until_complete(open_store(f"sqlite:///{self.folder}/n")),
        ]

    def both(self, act: Callable[[Store], Awaitable[Any]]) -> None:
        async def one(store: Store) -> Any:
            return await act(store)

        first, second = (self.loop.run_until_complete(one(store)) for store in self.stores)
        assert first == second

    def ask(self, question: Callable[[Reader], Awaitable[Any]]) -> None:
        async def act(store: Store) -> Any:
            async with store.read() as r:
                return await question(r)

        self.both(act)

    @rule(changes=_changes)
    def write(self, changes: list[tuple[str, Any]]) -> None:
        """One transaction, whole or broken off."""
        self.both(lambda store: _outcome(store, changes))

    @rule(asked=_asked, custody=_asked_custody)
    def find(self, asked: dict[str, Any], custody: dict[str, Any]) -> None:
        """Any question, with the order of the answer."""
        self.ask(lambda r: r.find(Copy, **asked))
        self.ask(lambda r: r.find(Custody, **custody))

    @rule(keys=st.lists(st.tuples(st.just("did:key:zOrigin"), st.builds("r{}".format, _small))))
    def by_unique_key(self, keys: list[tuple[str, str]]) -> None:
        """Look-ups by a unique key; the order is free."""

        async def look(r: Reader) -> list[int]:
            return sorted(c.id for c in await r.get_many(Copy, keys, by=("origin", "rid")))

        self.ask(look)

    @rule(changes=_changes, asked=_asked)
    def read_while_writing(self, changes: list[tuple[str, Any]], asked: dict[str, Any]) -> None:
        """A reader opened before a write keeps its view during and after it."""

        async def act(store: Store) -> Any:
            async with store.read() as r:
                before = await r.find(Copy, **asked)
                await _outcome(store, changes)
                assert await r.find(Copy, **asked) == before
            return before

        self.both(act)

    @invariant()
    def same_rows(self) -> None:
        """All rows are equal."""
        self.ask(lambda r: r.find(Copy))
        self.ask(lambda r: r.find(Custody))

    def teardown(self) -> None:
        """Close both."""
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.close()
        shutil.rmtree(self.folder)


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


async def test_undoing_a_transaction_gives_every_unique_value_back_to_its_row() -> None:
    store = MemoryStore()
    async with store.write() as w:
        await w.put(copy(0, rid="r3"), copy(1, rid="r1"), copy(2, rid="r0"))
    with pytest.raises(StoreConflict):
        async with store.write() as w:  # r1 passes from row 1 to row 0 before the conflict with row 2
            await w.put_many([copy(1, rid="r4"), copy(0, rid="r1"), copy(0, rid="r0")])
    with pytest.raises(StoreConflict):
        async with store.write() as w:
            await w.put(copy(0, rid="r1"))
