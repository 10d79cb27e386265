"""What `find`, `count` and `delete` were asked, checked once and in one form for every store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from node.store.columns import check_type, column_of, columns_of, is_storable
from node.store.port import StoreError, Where
from node.store.row import Row

Bound = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One column equals one of these values, or is null where `null` is set. The values are distinct."""

    column: str
    values: tuple[Any, ...]
    null: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A checked question about one table; `order` always ends in the primary key, so the order is total."""

    row: type[Row]
    terms: tuple[AnyOf, ...]
    above: Bound | None
    upto: Bound | None
    order: tuple[str, ...]
    descending: bool
    limit: int | None


def ask(
    row: type[Row],
    where: Where | None = None,
    *,
    above: Bound | None = None,
    upto: Bound | None = None,
    order: str | None = None,
    descending: bool = False,
    limit: int | None = None,
) -> Query | None:
    """The question, or None when nothing can answer it: any of an empty list, a value no row can have, a limit of 0."""
    for bound in (above, upto):
        _check_bound(row, bound)
    if order is not None:
        column_of(row, order)
    if limit is not None and limit < 0:
        raise ValueError(f"limit {limit} is below 0")
    terms = tuple(_term(row, name, value) for name, value in sorted((where or {}).items()))
    if limit == 0 or any(not t.values and not t.null for t in terms):
        return None
    full_order = (order, *(k for k in row.KEY if k != order)) if order else row.KEY
    return Query(row, terms, above, upto, full_order, descending, limit)


def _term(row: type[Row], name: str, value: Any) -> AnyOf:
    column = column_of(row, name)
    wanted: Iterable[Any] = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    kept: dict[Any, None] = {}
    null = False
    for one in wanted:
        if one is None:
            null = True
            continue
        check_type(row, column, one)
        if is_storable(one):
            kept[one] = None
    return AnyOf(name, tuple(kept), null and column.optional)


def _check_bound(row: type[Row], bound: Bound | None) -> None:
    if bound is None:
        return
    name, value = bound
    check_type(row, column_of(row, name), value)
    if not is_storable(value):
        raise StoreError(f"{row.TABLE}.{name}: no row can be compared with this value")


def wanted_keys(row: type[Row], keys: Iterable[Sequence[Any]], by: Sequence[str]) -> tuple[tuple[str, ...], list[Any]]:
    """The columns to look up by and the distinct keys that a row can have, as tuples."""
    names = tuple(by) or row.KEY
    if names != row.KEY and names not in row.UNIQUE:
        raise ValueError(f"{row.TABLE}: {names} is no declared unique key")
    columns = [columns_of(row)[name] for name in names]
    kept: dict[tuple[Any, ...], None] = {}
    for key in keys:
        if isinstance(key, str | bytes) or len(key) != len(columns):
            raise TypeError(f"{row.TABLE}: a key is a sequence of {len(columns)} values, not {key!r}")
        for column, value in zip(columns, key, strict=True):
            check_type(row, column, value)
        if all(map(is_storable, key)):
            kept[tuple(key)] = None
    return names, list(kept)


def split(query: Query, most: int) -> list[Query]:
    """The same question as several, none with more than `most` values in one list, whose answers do not overlap."""
    for i, term in enumerate(query.terms):
        if len(term.values) > most:
            parts = [
                AnyOf(term.column, term.values[at : at + most], term.null and at == 0)
                for at in range(0, len(term.values), most)
            ]
            whole = [replace(query, terms=(*query.terms[:i], part, *query.terms[i + 1 :])) for part in parts]
            return [q for one in whole for q in split(one, most)]
    return [query]


def sortable(value: Any) -> tuple[Any, ...]:
    """A stand-in for a value that sorts as both databases sort it: null before everything."""
    return () if value is None else (value,)


def in_order_of(query: Query, rows: Iterable[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    """The first `width` columns of rows whose further columns are those of the order, sorted and cut as asked."""
    ordered = sorted(rows, key=lambda r: tuple(map(sortable, r[width:])), reverse=query.descending)
    return [r[:width] for r in (ordered if query.limit is None else ordered[: query.limit])]


def in_order(query: Query, rows: Iterable[Row]) -> list[Any]:
    """The rows sorted and cut as the question says."""
    names = query.order
    ordered = sorted(rows, key=lambda r: tuple(sortable(getattr(r, name)) for name in names), reverse=query.descending)
    return ordered if query.limit is None else ordered[: query.limit]
