"""Brief transactions beside the one writer of results, by the clock that all replicas share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import or_, text

from orchestrator.store.connection import translated
from orchestrator.store.database import StoreDatabase
from orchestrator.store.sessions import begun

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Column, ColumnElement, Connection, Select

T = TypeVar("T")

_CLOCKS = {
    "sqlite": "SELECT CAST(strftime('%s', 'now') AS INTEGER)",
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)",
}
_OTHER_CLOCK = "SELECT UNIX_TIMESTAMP()"


def lapsed(until: Column[int], now: int, lease: int) -> ColumnElement[bool]:
    """Whether a lease has run out; one of the far future was given by a clock that was wrong.

    Args:
        until: when it runs out.
        now: by the clock of the database.
        lease: seconds for which it is given.
    """
    return or_(until < now, until > now + 10 * lease)


class BriefStore(StoreDatabase):
    """A store with tables that are written in brief transactions, while others import results.

    Every method of its kinds raises `StoreGoneError` when the database does not answer; whatever it was about to do is
    then done whole or not at all, and can be done again.
    """

    def _clock(self, connection: Connection) -> int:
        """Seconds since 1970."""
        return int(connection.scalar(text(_CLOCKS.get(connection.dialect.name, _OTHER_CLOCK))) or 0)

    def _finds(self, query: Callable[[int], Select[Any]]) -> bool:
        """Whether there is anything, by now: asked before a transaction, which keeps other writers out of SQLite.

        Args:
            query: selects what is looked for.
        """
        with self._reading() as connection:
            return connection.execute(query(self._clock(connection)).limit(1)).first() is not None

    def _transact(self, action: Callable[[Connection], T], *, lasting: bool = False) -> T:
        """Do it in one transaction.

        Args:
            action: what to do.
            lasting: whether it must outlast a power cut as soon as it is done, also in SQLite, which otherwise may lose
                the last moments (never the file).
        """
        self._refuse_owners()
        with translated(self._url), begun(self._engine, self._check) as connection:
            connection.rollback()  # what checked has read
            is_sqlite = connection.dialect.name == "sqlite"
            if is_sqlite and lasting:
                connection.exec_driver_sql("PRAGMA synchronous=FULL")
                connection.rollback()
            try:
                with connection.begin():
                    if is_sqlite:
                        # Otherwise what is read first could be out of date when it comes to writing, which SQLite
                        # refuses.
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
                    return action(connection)
            finally:
                if is_sqlite and lasting:
                    connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
                    connection.rollback()
