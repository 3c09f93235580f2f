"""How long a question may take: by the clock of the one who asks, in the database and between its statements.

    with within(20):
        store.who_has("CVE-2021-44228")

A deadline holds for the context (of a thread, or of a task) that set it. The database itself ends a statement that
takes longer, and no further one begins, so a question costs what it may, whatever it meets.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from orchestrator.store.documents import StoreSlowError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import DBAPIError

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=0.0)
# Between two looks at the clock, instructions of SQLite's virtual machine: about a millisecond.
_STEPS = 20_000
_LEAST = 0.05
# Where a connection's limit is kept; how many times what is left it is when it is set, and may be at most.
_LIMIT, _TIGHT, _LOOSE = "seconds of a statement", 1.1, 1.25
# A statement that ran too long: SQLite's words, the class of psycopg, the numbers of MariaDB and MySQL.
_INTERRUPTED, _CANCELLED, _NUMBERS = "interrupted", "QueryCanceled", {1969, 3024, 1317}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Within the block, questions of this context have to be answered in this time.

    Args:
        seconds: from now on; a block around it that ends earlier counts.
    """
    outer = _DEADLINE.get()
    end = time.monotonic() + seconds
    token = _DEADLINE.set(min(end, outer) if outer else end)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def too_slow() -> StoreSlowError:
    """The error of a question that took too long."""
    return StoreSlowError("the question took longer than it may: ask for less of it (a target, an owner, a scan)")


def watch(engine: Engine) -> None:
    """Let no statement begin after a deadline."""
    event.listen(engine, "before_cursor_execute", _before)


def is_set() -> bool:
    """Whether there is any in this context."""
    return bool(_DEADLINE.get())


def limit(connection: Connection) -> None:
    """Have a server end statements of a connection that take longer than is left; for before its transaction begins.

    The limit stays with the connection, which only questions with a deadline may use. It is set again only where it
    would let a statement run for much longer than is left, or end it before: otherwise it would be a statement more
    for every question.
    """
    if end := _DEADLINE.get():
        left = max(_LEAST, end - time.monotonic())
        if not left <= connection.info.get(_LIMIT, 0.0) <= _LOOSE * left:
            _set_limit(connection, _TIGHT * left)


def _set_limit(connection: Connection, seconds: float) -> None:
    dialect = connection.dialect
    if dialect.name == "sqlite":
        return
    if dialect.name == "postgresql":
        name, value = "statement_timeout", f"{seconds * 1000:.0f}"
    elif dialect.name == "mariadb" or getattr(dialect, "is_mariadb", False):
        name, value = "max_statement_time", f"{seconds:.3f}"
    else:
        name, value = "max_execution_time", f"{seconds * 1000:.0f}"
    connection.exec_driver_sql(f"SET SESSION {name} = {value}")
    connection.commit()
    connection.info[_LIMIT] = seconds


@contextmanager
def watching(connection: Connection) -> Iterator[None]:
    """The same of SQLite, which runs in this process: its statements look at the clock while they run."""
    if connection.dialect.name != "sqlite" or not (end := _DEADLINE.get()):
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def was_too_slow(error: DBAPIError) -> bool:
    """Whether a database ended a statement for its deadline."""
    cause = error.orig
    if not _DEADLINE.get() or cause is None:
        return False
    number = cause.args[0] if cause.args else None
    return type(cause).__name__ == _CANCELLED or str(cause) == _INTERRUPTED or number in _NUMBERS


def _before(*_: object) -> None:
    end = _DEADLINE.get()
    if end and time.monotonic() > end:
        raise too_slow()
