"""The store port: typed rows in transactions. Reader and writer are different types; a write is whole or not at all.

Implementations: SQL (SQLite, PostgreSQL) and memory. All pass `tests/contract/store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from node.store.row import Row

R = TypeVar("R", bound=Row)
Where = Mapping[str, Any]


class StoreError(Exception):
    """The store cannot do its work; the message says what the administrator can do."""


class StoreCorrupt(StoreError):
    """The database file is damaged: the node refuses to run on it."""


class StoreFull(StoreError):
    """No room on the disk, or the folder is read-only; nothing was written."""


class StoreConflict(StoreError):
    """A unique key other than the primary one is taken."""


class Reader(Protocol):
    """One consistent view of the rows."""

    async def get(self, row: type[R], *key: Any) -> R | None:
        """The row with this primary key."""

    async def get_many(self, row: type[R], keys: Iterable[Sequence[Any]], by: Sequence[str] = ()) -> list[R]:
        """Rows by primary key, or by the columns `by` (a declared unique key). Missing ones are left out; any order."""

    async def find(
        self,
        row: type[R],
        where: Where | None = None,
        *,
        above: tuple[str, Any] | None = None,
        upto: tuple[str, Any] | None = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[R]:
        """Rows whose columns equal `where` (a list, tuple or set: any of them; None: is null), in an order.

        One column may have to be > `above`, one <= `upto`; the default order is the primary key.
        """

    async def pick(
        self,
        row: type[Row],
        columns: Sequence[str],
        where: Where | None = None,
        *,
        above: tuple[str, Any] | None = None,
        upto: tuple[str, Any] | None = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """As `find`, but only these columns of each row: to look over many rows without reading all they hold."""

    async def count(self, row: type[Row], where: Where | None = None) -> int:
        """How many rows `find` would give."""


class Writer(Reader, Protocol):
    """A transaction: it reads its own writes; leaving the block commits, an exception rolls everything back."""

    async def put(self, *rows: Row) -> None:
        """Insert the rows, or replace those with the same primary key. Rows of several tables may be mixed."""

    async def put_many(self, rows: Sequence[Row]) -> None:
        """`put` for many rows of one table, in bulk."""

    async def delete(self, row: type[Row], where: Where | None = None, *, upto: tuple[str, Any] | None = None) -> int:
        """Delete what `find` would give with the same arguments; how many."""

    async def next_seq(self, count: int = 1) -> int:
        """The first of `count` new numbers of the node's one monotonic sequence.

        Numbers become visible in commit order: the writer that drew one holds the sequence until it commits, so a
        reader that has seen n can never later find a row below n that it had not seen.
        """


class Store(Protocol):
    """Opens transactions. Writers wait for one another; readers never wait."""

    def read(self) -> AbstractAsyncContextManager[Reader]: ...

    def write(self) -> AbstractAsyncContextManager[Writer]: ...

    async def scrub(self) -> None:
        """After return, no byte of deleted or replaced rows is left in the database's files (invariant 10)."""

    async def check(self) -> list[str]:
        """Problems found by the database's own integrity check, in words; empty when sound."""

    async def close(self) -> None: ...
