"""The statements that each database spells its own way."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, String, Text, bindparam, cast, func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Insert, Table
    from sqlalchemy.sql import Executable
    from sqlalchemy.types import TypeEngine

#: Rows of one statement.
BATCH = 1000


def among(connection: Connection, column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a column is one of many values, which PostgreSQL takes as one parameter."""
    if connection.dialect.name != "postgresql":
        return column.in_(values)
    given = bindparam("among", list(values), type_=ARRAY(_plain(column.type)), unique=True)
    return column == func.any(given)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that are not there; those that are stay as they are."""
    if not rows:
        return
    name = connection.dialect.name
    if name == "postgresql":
        _unnest(connection, _insert_rows(table, tuple(rows[0])).on_conflict_do_nothing(), rows)
    elif name == "sqlite":
        _in_batches(connection, sqlite.insert(table).on_conflict_do_nothing(), rows)
    else:
        first = table.primary_key.columns.values()[0]
        # Not IGNORE, which would also let pass what does not fit a column.
        _in_batches(connection, mysql.insert(table).on_duplicate_key_update({first.name: first}), rows)


def upsert(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or bring those with the same key up to date in every column given but `first_…`.

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
    if name == "postgresql":
        inserting = _insert_rows(table, tuple(rows[0]))
        new = {column: inserting.excluded[column] for column in given}
        _unnest(connection, inserting.on_conflict_do_update(index_elements=list(key), set_=new), rows)
    elif name == "sqlite":
        of_sqlite = sqlite.insert(table)
        new = {column: of_sqlite.excluded[column] for column in given}
        _in_batches(connection, of_sqlite.on_conflict_do_update(index_elements=list(key), set_=new), rows)
    else:
        of_mysql = mysql.insert(table)
        new = {column: of_mysql.inserted[column] for column in given}
        _in_batches(connection, of_mysql.on_duplicate_key_update(new), rows)


def insert_each(connection: Connection, table: Table, name: str, values: Sequence[int], same: dict[str, Any]) -> None:
    """Insert rows that differ in one whole number only."""
    if connection.dialect.name == "postgresql":
        given = {f"same_{column}": value for column, value in same.items()}
        # As text, which is ten times as fast as the driver's way with a list of numbers.
        each = f"{{{','.join(map(str, values))}}}"
        connection.execute(_insert_alike(table, name, tuple(same)), {"each": each, **given})
    else:
        _in_batches(connection, table.insert(), [{**same, name: value} for value in values])


@cache
def _insert_alike(table: Table, name: str, same: tuple[str, ...]) -> Insert:
    each = func.unnest(cast(bindparam("each", type_=Text()), ARRAY(BigInteger))).table_valued("value").render_derived()
    alike = (bindparam(f"same_{column}", type_=table.c[column].type) for column in same)
    return table.insert().from_select([name, *same], select(each.c.value, *alike))


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send the statements of a transaction together, and wait for them at its commit only; nothing can be read."""
    driver: Any = connection.connection.driver_connection
    with driver.pipeline() if connection.dialect.driver == "psycopg" else nullcontext():
        yield


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


@cache
def _insert_rows(table: Table, columns: tuple[str, ...]) -> postgresql.Insert:
    """An insert of rows that come as an array for each column.

    Its text does not depend on how many there are, so the server parses it once; it is five times as fast as an insert
    for each row.
    """
    arrays = (bindparam(f"all_{name}", type_=ARRAY(_plain(table.c[name].type))) for name in columns)
    rows = func.unnest(*arrays).table_valued(*columns).render_derived()
    return postgresql.insert(table).from_select(list(columns), select(*(rows.c[name] for name in columns)))


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """A column's type without its length, which a cast would cut values to."""
    return Text() if isinstance(kind, String) else kind


def _unnest(connection: Connection, statement: Executable, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        connection.execute(statement, {f"all_{name}": [row[name] for row in some] for name in some[0]})


def _in_batches(connection: Connection, statement: Executable, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        connection.execute(statement, rows[start : start + BATCH])
