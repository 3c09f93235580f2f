"""The statements that each database spells its own way."""

from __future__ import annotations

from functools import cache, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import ARRAY, ColumnDefault, String, Text, bindparam, cast, func, select, tuple_
from sqlalchemy.types import NullType

# ruff: noqa: PLC0415 - a database's own statements are imported where it is used: PostgreSQL's alone take 50 ms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Dialect, Row, Table
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.sql import Executable, Insert
    from sqlalchemy.types import TypeEngine

#: Rows of one statement.
BATCH = 1000
#: Names of parameters that are many values.
_MANY, _ALSO = "of_many", "also_of_many"


def batches(values: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """As many as one statement should have."""
    waiting = list(values)
    for start in range(0, len(waiting), size):
        yield waiting[start : start + size]


def among(connection: Connection, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a column is one of many values, which PostgreSQL and SQLite take as one parameter."""
    return _is_any(column, connection.dialect.name, _MANY, value=_many(connection, values), unique=True)


def rows_by(
    connection: Connection,
    column: ColumnElement[Any],
    wanted: Iterable[Any] | None,
    query: Any,
    *,
    also: tuple[ColumnElement[Any], Collection[Any]] | None = None,
    **others: Any,
) -> Iterator[Row[*tuple[Any, ...]]]:
    """The rows of a query for many values of a column; all of its rows for None.

    Args:
        connection: to read by.
        column: of the query.
        wanted: its values.
        query: one that is asked often is made once, with its module: most of its time would go into making it.
        also: another column, and all of its values.
        others: its other parameters.
    """
    name = connection.dialect.name
    if also is not None:
        query = _of_many(query, also[0], name, _ALSO)
        others[_ALSO] = _many(connection, list(also[1]))
    asked: Iterable[Any] = [(query, others)]
    if wanted is not None:
        statement = _of_many(query, column, name, _MANY)
        asked = ((statement, {_MANY: _many(connection, some), **others}) for some in batches(wanted))
    for each, given in asked:
        # Read by many at once, which is four times as fast as one by one.
        for rows in connection.execute(each, given).partitions(BATCH):
            yield from rows


def rows_by_pairs(
    connection: Connection,
    columns: tuple[ColumnElement[Any], ColumnElement[Any]],
    wanted: Iterable[tuple[int, int]],
    query: Any,
) -> Iterator[Row[*tuple[Any, ...]]]:
    """The rows of a query for many pairs of whole numbers, which two columns have together.

    Args:
        connection: to read by.
        columns: of the query.
        wanted: their values.
        query: as for `rows_by`.
    """
    statement = _of_pairs(query, columns, connection.dialect.name)
    for some in batches(wanted):
        given: dict[str, Any] = {_MANY: some}
        if connection.dialect.name == "sqlite":
            given = {_MANY: msgspec.json.encode(some).decode()}
        elif connection.dialect.name == "postgresql":
            given = {_MANY: _spell([first for first, _ in some]), _ALSO: _spell([second for _, second in some])}
        for rows in connection.execute(statement, given).partitions(BATCH):
            yield from rows


@lru_cache(maxsize=16)
def _of_pairs(query: Any, columns: tuple[ColumnElement[Any], ColumnElement[Any]], dialect: str) -> Any:
    both = tuple_(*columns)
    if dialect == "sqlite":
        pair = func.json_each(bindparam(_MANY)).table_valued("value")
        return query.where(both.in_(select(*(func.json_extract(pair.c.value, f"$[{place}]") for place in (0, 1)))))
    if dialect == "postgresql":
        arrays = (_given(name, column) for name, column in zip((_MANY, _ALSO), columns, strict=True))
        pair = func.unnest(*arrays).table_valued("first", "second").render_derived()
        return query.where(both.in_(select(pair.c.first, pair.c.second)))
    return query.where(both.in_(bindparam(_MANY, expanding=True)))


def _many(connection: Connection, values: Sequence[Any]) -> Any:
    """Many values as the parameter of `_is_any`."""
    if connection.dialect.name == "postgresql":
        return _spell(values)
    return msgspec.json.encode(values).decode() if connection.dialect.name == "sqlite" else list(values)


@lru_cache(maxsize=128)
def _of_many(query: Any, column: ColumnElement[Any], dialect: str, name: str) -> Any:
    """A query for many values; the same one is the same statement again, which need not be compiled again."""
    return query.where(_is_any(column, dialect, name))


def _is_any(column: ColumnElement[Any], dialect: str, name: str, **parameter: Any) -> ColumnElement[bool]:
    """Whether a column is one of the values of a parameter; `parameter` is more of `bindparam`, such as its value."""
    if dialect == "sqlite":
        given = func.json_each(bindparam(name, **parameter)).table_valued("value")
        return column.in_(select(given.c.value))
    if dialect != "postgresql":
        return column.in_(bindparam(name, expanding=True, **parameter))
    return column == func.any(_given(name, column, **parameter))


def _given(name: str, column: ColumnElement[Any], **parameter: Any) -> ColumnElement[Any]:
    """A parameter of PostgreSQL that is an array of a column's type; its value is text, as `_spell` has it.

    Without a type of its own it is an array to the server from the beginning. Spelt like `_array`, a scan of a whole
    table would make an array of that text for each row.
    """
    return cast(bindparam(name, type_=NullType(), **parameter), ARRAY(_plain(column.type)))


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that are not there; those that are stay as they are."""
    _put_in(connection, table, rows, key=())


def insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of which none is there: of the same columns, the key's too."""
    _put_in(connection, table, rows, key=None)


def upsert(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, or bring those with the same key up to date in every column given but `first_…`.

    Args:
        connection: within a transaction.
        table: where to.
        key: columns of a unique constraint.
        rows: all with the same columns; no key twice.
    """
    _put_in(connection, table, rows, key=tuple(key))


def move_back(connection: Connection, key: Column[Any], rows: list[dict[str, Any]]) -> None:
    """A run that comes late: what it has was there earlier than we knew."""
    if rows:
        statement = key.table.update().where(key == bindparam("key_")).values(first_at=bindparam("first_"))
        connection.execute(statement, [{"key_": row[key.name], "first_": row["first_at"]} for row in rows])


def insert_numbers(connection: Connection, table: Table, rows: Sequence[tuple[int | None, ...]]) -> None:
    """Insert rows of whole numbers, in the order of the table's columns: nothing is made of each on the way."""
    if not rows:
        return
    columns = tuple(table.columns.keys())
    if connection.dialect.name == "postgresql":
        arrays = {f"all_{name}": _spell(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
        connection.execute(_insert_rows(table, columns), arrays)
        return
    place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join([place] * len(columns))})"  # noqa: S608 - names of ours
    for start in range(0, len(rows), BATCH):
        connection.exec_driver_sql(statement, list(rows[start : start + BATCH]))


class _Spelt(NamedTuple):
    """An insert as text, and how it takes a row; `missing` are the defaults of columns that no row has."""

    text: str
    values: Callable[[dict[str, Any]], Any]
    missing: Mapping[str, Any]


def _put_in(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, key: tuple[str, ...] | None
) -> None:
    """Insert rows; `key` as `_inserting` takes it."""
    if not rows:
        return
    columns, dialect = tuple(rows[0]), connection.dialect
    statement = _inserting(dialect.name, table, columns, key)
    if dialect.name == "postgresql":
        _unnest(connection, statement, rows)
    else:
        _in_batches(connection, _spelt(dialect, statement, columns), rows)


@lru_cache(maxsize=256)
def _inserting(dialect: str, table: Table, columns: tuple[str, ...], key: tuple[str, ...] | None) -> Insert:
    """The statement, which is made once: making and compiling it takes longer than inserting a row.

    Args:
        dialect: of the database.
        table: where to.
        columns: that are given.
        key: None where no row is there; none of its columns to let those stay that are; else whose rows are changed.
    """
    if dialect == "postgresql":
        of_arrays = _insert_rows(table, columns)
        return of_arrays if key is None else _on_conflict(of_arrays, key, columns)
    if key is None:
        return table.insert()
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return _on_conflict(sqlite.insert(table), key, columns)
    from sqlalchemy.dialects import mysql

    inserting = mysql.insert(table)
    first = table.primary_key.columns.values()[0]
    # Not IGNORE, which would also let pass what does not fit a column.
    new = {name: inserting.inserted[name] for name in _changed(key, columns)} if key else {first.name: first}
    return inserting.on_duplicate_key_update(new)


def _on_conflict(
    inserting: postgresql.Insert | sqlite.Insert, key: tuple[str, ...], columns: tuple[str, ...]
) -> Insert:
    """An insert, and what it does with rows that are there, as PostgreSQL and SQLite spell it."""
    if not key:
        return inserting.on_conflict_do_nothing()
    new = {name: inserting.excluded[name] for name in _changed(key, columns)}
    return inserting.on_conflict_do_update(index_elements=list(key), set_=new)


def _changed(key: tuple[str, ...], columns: tuple[str, ...]) -> list[str]:
    return [column for column in columns if column not in key and not column.startswith("first_")]


@lru_cache(maxsize=256)
def _spelt(dialect: Dialect, statement: Insert, columns: tuple[str, ...]) -> _Spelt:
    compiled = statement.compile(dialect=dialect, column_keys=list(columns))
    defaults = {name: statement.table.c[name].default for name in compiled.params if name not in columns}
    missing = {name: default.arg for name, default in defaults.items() if isinstance(default, ColumnDefault)}
    # SQLite's driver takes tuples, MariaDB's and MySQL's a dict of names.
    return _Spelt(str(compiled), _values(compiled.positiontup) if compiled.positiontup else dict, missing)


@cache
def _insert_rows(table: Table, columns: tuple[str, ...]) -> postgresql.Insert:
    """An insert of rows that come as an array for each column.

    Its text does not depend on how many there are, so the server parses it once; it is five times as fast as an insert
    for each row.
    """
    from sqlalchemy.dialects import postgresql

    arrays = (_array(f"all_{name}", table.c[name].type) for name in columns)
    rows = func.unnest(*arrays).table_valued(*columns).render_derived()
    return postgresql.insert(table).from_select(list(columns), select(*(rows.c[name] for name in columns)))


def _array(name: str, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """A parameter that is an array, spelt as text: ten times as fast as what the driver makes of a list."""
    return cast(bindparam(name, type_=Text()), ARRAY(_plain(kind)))


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """A column's type without its length, which a cast would cut values to."""
    return Text() if isinstance(kind, String) else kind


def _spell(values: Sequence[Any]) -> str:
    return f"{{{','.join([_spell_one(value) for value in values])}}}"


def _spell_one(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "NULL" if value is None else str(value)


def _unnest(connection: Connection, statement: Executable, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        connection.execute(statement, {f"all_{name}": _spell([row[name] for row in some]) for name in some[0]})


def _in_batches(connection: Connection, spelt: _Spelt, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns: as the driver takes them, with nothing made of each value."""
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        values, missing = spelt.values, spelt.missing
        given = [values({**missing, **row}) for row in some] if missing else list(map(values, some))
        connection.exec_driver_sql(spelt.text, given)


def _values(columns: Sequence[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    return itemgetter(*columns) if len(columns) > 1 else lambda row: (row[columns[0]],)
