"""The SQL of both databases, built with SQLAlchemy Core once for each shape of a question and then kept as text.

A shape is everything but the values. Values are passed by position, in the order that the shape fixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Delete, Select, and_, bindparam, column, delete, func, or_, select, values
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, ColumnElement
from sqlalchemy.types import TypeEngine

from node.store.query import AnyOf, Query
from node.store.row import Row
from node.store.tables import TABLES

# Below SQLite's 32,766 variables even with seven such lists in a question; longer lists are split.
LIST_MAX = 4096


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and how to lay out its values: `names` says which value goes where, `own` those it brings itself."""

    sql: str
    names: tuple[str, ...]
    own: dict[str, Any]

    def values(self, by_name: dict[str, Any]) -> list[Any]:
        """The values in the order of the text."""
        return [by_name[name] if name in by_name else self.own[name] for name in self.names]


class Statements:
    """Statements for one dialect. `arrays` says that a list is one value (PostgreSQL) and not many (SQLite)."""

    def __init__(self, dialect: Dialect, *, arrays: bool) -> None:
        self._dialect = dialect
        self.arrays = arrays
        self._kept: dict[Any, Statement] = {}

    def upsert(self, row: type[Row]) -> str:
        """Insert or replace by primary key; values in column order."""
        return self._keep(("upsert", row), lambda: self._upsert(row)).sql

    def find(self, query: Query) -> tuple[str, list[Any]]:
        """The rows that answer, in order."""
        return self._ask("find", query, lambda b: self._ordered(query, select(*TABLES[query.row].c).where(*b)))

    def pick(self, query: Query, names: tuple[str, ...]) -> tuple[str, list[Any]]:
        """These columns of the rows that answer, in order."""
        columns = [TABLES[query.row].c[name] for name in names]
        return self._ask(("pick", names), query, lambda b: self._ordered(query, select(*columns).where(*b)))

    def count(self, query: Query) -> tuple[str, list[Any]]:
        """How many rows answer."""
        source = TABLES[query.row]
        return self._ask("count", query, lambda b: select(func.count()).select_from(source).where(*b))

    def delete(self, query: Query) -> tuple[str, list[Any]]:
        """Remove the rows that answer."""
        return self._ask("delete", query, lambda b: delete(TABLES[query.row]).where(*b))

    def by_key(self, row: type[Row], names: tuple[str, ...], keys: list[Any]) -> tuple[str, list[Any]]:
        """The rows with these keys; at most `LIST_MAX` values, unless lists are arrays."""
        if self.arrays:
            statement = self._keep(("keys", row, names), lambda: self._by_key_arrays(row, names))
            return statement.sql, [list(column) for column in zip(*keys, strict=True)]
        size = _padded(len(keys))
        statement = self._keep(("keys", row, names, size), lambda: self._by_key_list(row, names, size))
        flat = [value for key in keys for value in key]
        return statement.sql, flat + [None] * (len(flat) // len(keys) * (size - len(keys)))  # null equals nothing

    def _upsert(self, row: type[Row]) -> ClauseElement:
        table = TABLES[row]
        rest = [c.name for c in table.c if c.name not in row.KEY]
        blank = {c.name: bindparam(c.name, type_=c.type) for c in table.c}
        insert = (postgresql.insert if self.arrays else sqlite.insert)(table).values(blank)
        if not rest:
            return insert.on_conflict_do_nothing(index_elements=row.KEY)
        return insert.on_conflict_do_update(index_elements=row.KEY, set_={n: insert.excluded[n] for n in rest})

    def _ordered(self, query: Query, statement: Select[Any]) -> Select[Any]:
        table = TABLES[query.row]
        fixed = {t.column for t in query.terms if len(t.values) + t.null == 1}
        bounded = {b[0] for b in (query.above, query.upto) if b}
        for name in query.order:
            if name in fixed:
                continue
            place: ColumnElement[Any] = table.c[name].desc() if query.descending else table.c[name].asc()
            if table.c[name].nullable and name not in bounded:
                place = place.nulls_last() if query.descending else place.nulls_first()
            statement = statement.order_by(place)
        return statement if query.limit is None else statement.limit(bindparam("limit", type_=_INTEGER))

    def _ask(
        self, what: Any, query: Query, build: Callable[[list[ColumnElement[bool]]], ClauseElement]
    ) -> tuple[str, list[Any]]:
        shape = tuple((t.column, t.null, self._size(t)) for t in query.terms)
        bounds = tuple(b and b[0] for b in (query.above, query.upto))
        key = (what, query.row, shape, bounds, query.order, query.descending, query.limit is None)
        statement = self._keep(key, lambda: build(self._conditions(query)))
        return statement.sql, statement.values(self._named(query))

    def _size(self, term: AnyOf) -> int:
        return min(len(term.values), 2) if self.arrays else _padded(len(term.values))

    def _conditions(self, query: Query) -> list[ColumnElement[bool]]:
        table = TABLES[query.row]
        found = [self._any_of(table.c[t.column], t) for t in query.terms]
        if query.above:
            found.append(table.c[query.above[0]] > bindparam("above", type_=table.c[query.above[0]].type))
        if query.upto:
            found.append(table.c[query.upto[0]] <= bindparam("upto", type_=table.c[query.upto[0]].type))
        return found

    def _any_of(self, source: ColumnElement[Any], term: AnyOf) -> ColumnElement[bool]:
        size = self._size(term)
        name = f"is_{term.column}"
        choices: list[ColumnElement[bool]] = [source.is_(None)] if term.null else []
        if size == 1:
            choices.append(source == bindparam(f"{name}_0", type_=source.type))
        elif size and self.arrays:
            choices.append(source == func.any(bindparam(name, type_=postgresql.ARRAY(source.type))))
        elif size:
            choices.append(source.in_([bindparam(f"{name}_{i}", type_=source.type) for i in range(size)]))
        return or_(*choices) if len(choices) > 1 else choices[0]

    def _named(self, query: Query) -> dict[str, Any]:
        named: dict[str, Any] = {"limit": query.limit}
        for bound, name in ((query.above, "above"), (query.upto, "upto")):
            if bound:
                named[name] = bound[1]
        for term in query.terms:
            size = self._size(term)
            named[f"is_{term.column}"] = list(term.values)
            for i in range(size):
                named[f"is_{term.column}_{i}"] = term.values[min(i, len(term.values) - 1)]
        return named

    def _by_key_list(self, row: type[Row], names: tuple[str, ...], size: int) -> ClauseElement:
        table = TABLES[row]
        if len(names) == 1:
            only = table.c[names[0]]
            return select(*table.c).where(only.in_([bindparam(f"k{i}", type_=only.type) for i in range(size)]))
        # A join, since SQLite reads the whole table for (a, b) IN (VALUES ...).
        blanks = [tuple(bindparam(f"k{i}_{n}", type_=table.c[n].type) for n in names) for i in range(size)]
        wanted = values(*[column(f"w_{n}", table.c[n].type) for n in names], name="wanted").data(blanks).cte("wanted")
        return select(*table.c).join_from(wanted, table, and_(*[table.c[n] == wanted.c[f"w_{n}"] for n in names]))

    def _by_key_arrays(self, row: type[Row], names: tuple[str, ...]) -> ClauseElement:
        table = TABLES[row]
        arrays = [bindparam(f"k_{n}", type_=postgresql.ARRAY(table.c[n].type)) for n in names]
        wanted = (
            func.unnest(*arrays).table_valued(*[f"w{i}" for i in range(len(names))], name="wanted").render_derived()
        )
        return select(*table.c).join_from(
            wanted, table, and_(*[table.c[n] == wanted.c[i] for i, n in enumerate(names)])
        )

    def _keep(self, key: Any, build: Callable[[], ClauseElement | Delete | Select[Any]]) -> Statement:
        statement = self._kept.get(key)
        if statement is None:
            compiled: Any = build().compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
            statement = self._kept[key] = Statement(str(compiled), tuple(compiled.positiontup or ()), compiled.params)
        return statement


def _padded(count: int) -> int:
    """Lists are filled up to a power of two, so that there are few shapes."""
    return 1 << (count - 1).bit_length() if count > 1 else count


def batches(keys: list[Any], width: int) -> Iterable[list[Any]]:
    """Keys in portions of at most `LIST_MAX` values."""
    size = LIST_MAX // width
    return (keys[at : at + size] for at in range(0, len(keys), size))


_INTEGER: TypeEngine[Any] = TABLES[next(iter(TABLES))].metadata.tables["sequence"].c["last"].type
