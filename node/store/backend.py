"""What the SQL store needs of a database: two pools, the driver's calls in our words, and its errors as ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from node.store.port import StoreError
from node.store.row import Row
from node.store.statements import Statements


class Link(Protocol):
    """One connection inside a transaction. The driver's own calls: one hop each, where SQLAlchemy takes four."""

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]: ...

    async def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None: ...

    async def change(self, sql: str, values: Sequence[Any]) -> int: ...


class Backend(Protocol):
    """A database behind `SqlStore`."""

    statements: Statements

    def reading(self) -> AbstractAsyncContextManager[Link]: ...

    def writing(self) -> AbstractAsyncContextManager[Link]: ...

    async def migrate(self) -> None: ...

    def decoder(self, row: type[Row]) -> Callable[[Any], Row]: ...

    def translated(self, error: Exception) -> StoreError | None: ...

    async def scrub(self) -> None: ...

    async def check(self) -> list[str]: ...

    async def close(self) -> None: ...
