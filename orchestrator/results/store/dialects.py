"""The statements that each database spells its own way."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, bindparam, func, literal_column, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Table
    from sqlalchemy.sql import Executable

#: Rows of one statement.
BATCH = 1000


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that are not there; those that are stay as they are."""
    name = connection.dialect.name
    statement: Any
    if name == "postgresql":
        statement = postgresql.insert(table).on_conflict_do_nothing()
    elif name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing()
    else:
        first = table.primary_key.columns.values()[0]
        inserting = mysql.insert(table)
        # Not IGNORE, which would also let pass what does not fit a column.
        statement = inserting.on_duplicate_key_update({first.name: first})
    _in_batches(connection, statement, rows)


def upsert(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or bring those with the same key up to date in every column given.

    Args:
        connection: within a transaction.
        table: where to.
        key: columns of a unique constraint.
        rows: all with the same columns; no key twice.
    """
    if not rows:
        return
    name = connection.dialect.name
    given = [column for column in rows[0] if column not in key and not column.startswith("first_")]
    statement: Any
    if name in {"postgresql", "sqlite"}:
        inserting = postgresql.insert(table) if name == "postgresql" else sqlite.insert(table)
        statement = inserting.on_conflict_do_update(
            index_elements=list(key), set_={column: inserting.excluded[column] for column in given}
        )
    else:
        on_mysql = mysql.insert(table)
        statement = on_mysql.on_duplicate_key_update({column: on_mysql.inserted[column] for column in given})
    _in_batches(connection, statement, rows)


def insert_each(connection: Connection, table: Table, name: str, values: Iterable[int], same: dict[str, Any]) -> None:
    """Insert rows that differ in one whole number only."""
    values = list(values)
    if not values:
        return
    if connection.dialect.name != "postgresql":
        _in_batches(connection, table.insert(), [{**same, name: value} for value in values])
        return
    # One statement whose text is always the same, so that the server parses and plans it once.
    each = func.unnest(bindparam("values_", type_=ARRAY(BigInteger))).table_valued("value").render_derived()
    columns = [name, *same]
    picked = select(
        literal_column("value"), *(bindparam(f"same_{column}", type_=table.c[column].type) for column in same)
    ).select_from(each)
    given = {f"same_{column}": value for column, value in same.items()}
    connection.execute(table.insert().from_select(columns, picked), {"values_": values, **given})


@contextmanager
def unsynced(connection: Connection) -> Iterator[None]:
    """Let commits not wait for the disk.

    A crash of the server may then cost the last ones, which is made good by taking the run in again. The next commit
    that does wait makes all of them last.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    with connection.begin():
        connection.exec_driver_sql("SET synchronous_commit TO OFF")
    yield
    with connection.begin():
        connection.exec_driver_sql("SET synchronous_commit TO DEFAULT")


def _in_batches(connection: Connection, statement: Executable, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        connection.execute(statement, rows[start : start + BATCH])
