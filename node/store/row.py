"""What every row of the store is: a frozen dataclass that names its table and its keys."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Row:
    """Base of all rows. `KEY` is the primary key, `UNIQUE` further unique keys, `INDEX` columns to search by."""

    TABLE: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]]
    UNIQUE: ClassVar[tuple[tuple[str, ...], ...]] = ()
    INDEX: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(f.name for f in fields(cls))

    def key(self) -> tuple[Any, ...]:
        """The values of the primary key."""
        return tuple(getattr(self, k) for k in self.KEY)
