"""A connection for a question or for a writer: one that answers, and one writer at a time."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from orchestrator.errors import TemporaryError
from orchestrator.store import deadlines
from orchestrator.store.connection import mask
from orchestrator.store.documents import StoreGoneError
from orchestrator.volume.locks import LockedError, held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

# Of the lock that writers and migrations hold; any number that no other program takes.
_LOCK_NUMBER = 0x5CA77A7B
_LOCK_NAME = "scanmatrix-store"
_POLL_SECONDS = 0.1


class StoreBusyError(TemporaryError):
    """Another process has been writing to the store for longer than we waited."""


@contextmanager
def begun(engine: Engine, first: Callable[[Connection], object]) -> Iterator[Connection]:
    """A connection that has answered its first statement.

    Connections are kept open between questions, and a server may have ended one meanwhile: it was started again, or
    ends what has been idle for long. Then the first statement fails, and is made once more over a new connection. To
    ask each connection beforehand whether it is still there would be a statement more for every question.

    Args:
        engine: of the database.
        first: makes that statement, which only reads, or takes what ends with the connection.
    """
    for is_last in (False, True):
        with engine.connect() as connection:
            try:
                first(connection)
            except DBAPIError as error:
                if is_last or not error.connection_invalidated:
                    raise
            else:
                yield connection
                return


@contextmanager
def reading_at_once(engine: Engine, first: Callable[[Connection], object]) -> Iterator[Connection]:
    """A connection whose statements all see the database as the first one does, whatever others commit meanwhile.

    Args:
        engine: of the database.
        first: as for `begun`.
    """

    def begin(connection: Connection) -> None:
        deadlines.limit(connection)
        if connection.dialect.name == "sqlite":
            # Its driver begins a transaction only before something is written.
            connection.exec_driver_sql("BEGIN")
        elif connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        else:
            # Of this transaction alone: an option would be set, and set back, with two statements each.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        first(connection)

    with begun(engine, begin) as connection, deadlines.watching(connection):
        yield connection


@contextmanager
def writing_alone(engine: Engine, *, patience: float) -> Iterator[Connection]:
    """A connection for the only writer: others wait, in this process, another one, or on another machine.

    The lock ends with the connection, so a writer that dies holds up nobody.

    Args:
        engine: of the database.
        patience: seconds to wait for another writer.

    Raises:
        StoreBusyError: it continues for longer.
    """
    name = engine.dialect.name
    if name == "sqlite":
        with _locked_file(engine.url, patience), engine.connect() as connection:
            yield connection
        return
    lock, unlock = (
        (f"SELECT pg_try_advisory_lock({_LOCK_NUMBER})", f"SELECT pg_advisory_unlock({_LOCK_NUMBER})")
        if name == "postgresql"
        else (f"SELECT GET_LOCK('{_LOCK_NAME}', 0)", f"SELECT RELEASE_LOCK('{_LOCK_NAME}')")
    )
    deadline = time.monotonic() + patience

    def take(connection: Connection) -> None:
        while not connection.scalar(text(lock)):
            connection.rollback()
            _wait(engine.url, deadline)

    with begun(engine, take) as connection:
        connection.commit()
        try:
            yield connection
        except BaseException:
            # Closed for good, whatever state it is in; the lock goes with it.
            connection.invalidate()
            raise
        connection.execute(text(unlock))
        connection.commit()


@contextmanager
def _locked_file(url: URL, patience: float) -> Iterator[None]:
    if not url.database or url.database == ":memory:":
        yield
        return
    path = Path(f"{url.database}.lock")
    with ExitStack() as stack:
        try:
            stack.enter_context(held(path, patience=patience))
        except LockedError as error:
            raise _busy(url) from error
        except OSError as error:
            raise StoreGoneError(f"{path}: {error.strerror}; the store must lie where we may write") from error
        yield


def _wait(url: URL, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise _busy(url)
    time.sleep(_POLL_SECONDS)


def _busy(url: URL) -> StoreBusyError:
    return StoreBusyError(f"{mask(url)}: another process writes to the store; try again when it is done")
