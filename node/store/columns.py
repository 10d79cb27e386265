"""What a column may hold, the same in every store: refused here, before any database sees the value.

Text without NUL (PostgreSQL has no such text) and without lone surrogates, integers of 64 bits, bytes, booleans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from types import NoneType
from typing import Any, get_args, get_type_hints

from node.store.port import StoreError
from node.store.row import Row

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1  # BIGINT, the widest integer both databases share
_KINDS: frozenset[type] = frozenset((str, int, bytes, bool))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Python type and whether it may be null."""

    name: str
    kind: type
    optional: bool


_columns: dict[type[Row], dict[str, Column]] = {}
_encoders: dict[type[Row], Callable[[Row], tuple[Any, ...]]] = {}


def columns_of(row: type[Row]) -> dict[str, Column]:
    """The columns of a table by name, in order; TypeError when an annotation is none that a store can keep."""
    known = _columns.get(row)
    if known is None:
        hints = get_type_hints(row)
        known = _columns[row] = {name: _column(row, name, hints[name]) for name in row.columns()}
    return known


def _column(row: type[Row], name: str, hint: Any) -> Column:
    choices = get_args(hint) or (hint,)
    kinds = [k for k in choices if k is not NoneType]
    if len(kinds) != 1 or kinds[0] not in _KINDS:
        raise TypeError(f"{row.__name__}.{name}: no store keeps {hint}")
    return Column(name, kinds[0], NoneType in choices)


def column_of(row: type[Row], name: str) -> Column:
    """The column of that name; ValueError when the table has none."""
    column = columns_of(row).get(name)
    if column is None:
        raise ValueError(f"{row.TABLE} has no column {name!r}")
    return column


def check_type(row: type[Row], column: Column, value: Any) -> None:
    """TypeError unless the value is of the column's type (an enum of it is); None is the caller's matter."""
    if not isinstance(value, column.kind) or (column.kind is int and value.__class__ is bool):
        raise TypeError(f"{row.TABLE}.{column.name} holds {column.kind.__name__}, not {type(value).__name__}")


def trouble_with(value: Any) -> str | None:
    """Why no store can keep this value of a right type, or None."""
    if isinstance(value, str):
        if "\0" in value:
            return "text with a NUL character"
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return "text with a lone surrogate"
    elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return "an integer beyond 64 bits"
    return None


def is_storable(value: Any) -> bool:
    """Whether a row can have this value at all; a search for one that cannot simply finds nothing."""
    return trouble_with(value) is None


def encoder(row: type[Row]) -> Callable[[Row], tuple[Any, ...]]:
    """A function from a row to its values in column order; it raises StoreError for what no store keeps."""
    known = _encoders.get(row)
    if known is None:
        known = _encoders[row] = _make_encoder(row)
    return known


def _make_encoder(row: type[Row]) -> Callable[[Row], tuple[Any, ...]]:
    columns = tuple(columns_of(row).values())
    read: Callable[[Row], tuple[Any, ...]] = attrgetter(*row.columns())

    def encode(item: Row) -> tuple[Any, ...]:
        values = read(item)
        for column, value in zip(columns, values, strict=True):
            if value is None:
                if not column.optional:
                    raise TypeError(f"{row.TABLE}.{column.name} may not be null")
                continue
            if value.__class__ is not column.kind:
                check_type(row, column, value)
            trouble = trouble_with(value)
            if trouble:
                raise StoreError(f"{row.TABLE}.{column.name}: no store keeps {trouble}")
        return values

    return encode
