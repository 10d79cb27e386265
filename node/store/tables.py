"""The tables of the database, made from the row classes: the schema is described once, in `rows.py`.

Text sorts by code point in every database (collation "C" on PostgreSQL), so an order never depends on a locale.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from node.store.columns import columns_of
from node.store.row import Row
from node.store.rows import ALL_ROWS

# SQLite makes only a column of the exact type INTEGER its row id, and every SQLite integer has 64 bits.
_TYPES: dict[type, TypeEngine[Any]] = {
    str: Text().with_variant(Text(collation="C"), "postgresql"),
    int: BigInteger().with_variant(Integer(), "sqlite"),
    bytes: LargeBinary(),
    bool: Boolean(),
}

METADATA = MetaData()


def _table(row: type[Row]) -> Table:
    columns = [
        Column(c.name, _TYPES[c.kind], nullable=c.optional, autoincrement=False) for c in columns_of(row).values()
    ]
    keys = [UniqueConstraint(*names, name=f"{row.TABLE}_by_{'_'.join(names)}") for names in row.UNIQUE]
    table = Table(row.TABLE, METADATA, *columns, PrimaryKeyConstraint(*row.KEY), *keys)
    for names in row.INDEX:
        Index(f"{row.TABLE}_by_{'_'.join(names)}", *(table.c[name] for name in names))
    return table


TABLES: dict[type[Row], Table] = {row: _table(row) for row in ALL_ROWS}

# The node's one sequence: a row, not a database sequence, so that drawing a number locks it until the commit.
SEQUENCE = Table(
    "sequence",
    METADATA,
    Column("name", _TYPES[str], primary_key=True),
    Column("last", _TYPES[int], nullable=False),
)
