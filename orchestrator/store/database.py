"""The store itself: one database, reached by a URL."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from orchestrator.kit.advice import resuming
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.kit.retrying import Backoff, Patience
from orchestrator.results.errors import NoResultsError
from orchestrator.results.finished import finished_runs
from orchestrator.results.provisional import attempts
from orchestrator.store import deadlines, migration, names, retention, suspects
from orchestrator.store.connection import (
    make_engine,
    mask,
    parse_url,
    translated,
)
from orchestrator.store.documents import DamagedRunError, Pruned, StoredWorkload, StoreGoneError, TakenIn, TakenInAll
from orchestrator.store.events.forgetting import forget_events
from orchestrator.store.events.reading import read_events
from orchestrator.store.events.recording import all_at_once
from orchestrator.store.forgetting import forget, forget_results
from orchestrator.store.lacking import lacking
from orchestrator.store.revision import revision_of
from orchestrator.store.scope import ScopeError, checked_owners, limit
from orchestrator.store.sessions import reading_at_once, writing_alone
from orchestrator.volume.layout import STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from orchestrator.config.loading import Config
    from orchestrator.model import Distrust, MergedFinding
    from orchestrator.store.events.messages import EventCursor, EventPage
    from orchestrator.volume.layout import Volume

T = TypeVar("T")

#: Name of the database file on the volume when no other is configured.
FILE = STORE
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_TOO_EARLY = (
    "run {0} cannot be imported yet: its results are being put together, or that was ended before it was done; then"
    " {1} does it again"
)


class _Shared(NamedTuple):
    """The connection of a block in which everything is asked at once, and what it was opened for.

    Attributes:
        revision: of what it sees, once somebody has asked.
    """

    engine: Engine
    owners: tuple[str, ...] | None
    connection: Connection
    revision: list[str]


_SHARED: ContextVar[_Shared | None] = ContextVar("SHARED", default=None)


class StoreDatabase:
    """Results of all runs in a database; a context manager, which ends its connections.

    What is asked of them stands in `orchestrator.queries.Store`, which builds on this.

    Every method raises `StoreGoneError` when the database does not answer, and `SchemaError` when its tables are of
    another version.
    """

    def __init__(self, url: str, *, patience: float = 30.0) -> None:
        """Connect to nothing yet.

        Args:
            url: `sqlite:///file`, `postgresql://…`, `mysql://…` or `mariadb://…`.
            patience: seconds that writing keeps trying while the database does not answer, and waits for another
                writer.

        Raises:
            StoreUrlError: the URL cannot be used, or its driver is not installed.
        """
        self._url = parse_url(url)
        self._engine = make_engine(self._url)
        # Connections of their own, because they keep the limit that a server sets on their statements.
        self._limited = self._engine if self._url.get_backend_name() == "sqlite" else make_engine(self._url)
        self._patience = patience
        self._distrusted: Sequence[Distrust] = ()
        self._owners: tuple[str, ...] | None = None

    @classmethod
    def of(cls, config: Config, *, patience: float = 30.0) -> Self:
        """The configured store; without a URL, the file `store.sqlite3` on the volume.

        Args:
            config: names it.
            patience: as for the class.
        """
        if config.store.url is None:
            return cls(f"sqlite:///{config.volume.path / FILE}", patience=patience)
        url = config.store.url.get_secret_value()
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database and not parsed.database.startswith((":", "file:")):
            # Like every path in the configuration.
            url = f"sqlite:///{config.base / Path(parsed.database).expanduser()}"
        return cls(url, patience=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for engine in (self._engine, self._limited):
            engine.dispose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    def only(self, owners: Collection[str]) -> Self:
        """The same store as these owners may see it: their own targets, and what is about them; it cannot be written.

        It shares the connections of this one, which ends them.

        Args:
            owners: exactly as the names of targets have them; for none, nothing is there.

        Raises:
            UsageError: they are too many.
        """
        limited = copy(self)
        limited._owners = checked_owners(owners)  # noqa: SLF001 - its own
        return limited

    @property
    def place(self) -> str:
        """Its URL, without secrets."""
        return mask(self._url)

    @property
    def file(self) -> Path | None:
        """Of a database that is one; None for others."""
        local = self._url.get_backend_name() == "sqlite" and self._url.database
        return Path(local) if local and not local.startswith((":", "file:")) else None

    def check(self) -> None:
        """See that it answers, and that its tables are of this version; nothing is changed."""
        with self._reading():
            return

    def migrate(self) -> tuple[str, str]:
        """Bring the tables up to date; several processes may do it at once.

        Returns:
            The revision before (empty for none) and the one after.
        """
        with translated(self._url), writing_alone(self._engine, patience=self._patience) as connection:
            return migration.migrate(connection)

    def take_in(self, volume: Volume, run: str, merged: Sequence[MergedFinding] | None = None) -> TakenIn:
        """Import a run's results; once more changes nothing.

        An empty database gets its tables first. While the database is away it is tried again, for `patience` seconds.

        Args:
            volume: where the run lies.
            run: its id.
            merged: its merged findings in the order of their table, where the caller has just written it.

        Raises:
            NoResultsError: the run has no ledger on the volume.
            DamagedRunError: its files there cannot be believed; cells already imported are whole.
            StoreGoneError: the database stays away; take the run in again later.
        """
        from orchestrator.store import writing  # noqa: PLC0415 - it imports pyarrow, which no question needs

        self._distrusted = volume.distrusted

        def take(connection: Connection) -> TakenIn:
            # What was put is little: one transaction instead of a dozen.
            with all_at_once(connection) if merged is not None else nullcontext():
                suspects.remark(connection, volume.distrusted)
                taken = writing.take_in(connection, volume, run, merged)
            forget_events(connection)
            return taken

        return self._write(take)

    def take_in_all(self, volume: Volume, runs: Sequence[str] | None = None) -> TakenInAll:
        """Import every finished run on a volume that the store lacks, or has from before its ledger was rewritten.

        Results that came to be distrusted since the last time are marked as suspect, and others are not any more.

        Args:
            volume: where they lie.
            runs: only these.

        Raises:
            StoreGoneError: the database stays away; call it again later.
        """
        self._distrusted = volume.distrusted
        self._write(lambda connection: suspects.remark(connection, volume.distrusted))
        asked = tuple(runs or reversed(finished_runs(volume)))
        taken, damaged = (
            [],
            {run: _TOO_EARLY.format(run, resuming(run)) for run in asked if attempts(volume.results(run)).provisional},
        )
        ready = [run for run in asked if run not in damaged]
        removed = 0
        for run in self._write(lambda connection: lacking(connection, volume, ready)):
            try:
                with guarded(f"importing run {run}"):
                    taken.append(self.take_in(volume, run))
            except (DamagedRunError, InternalError) as error:
                damaged[run] = str(error)
            except NoResultsError:
                if runs:
                    raise
                removed += 1  # by somebody else, since they were listed
        new = tuple(one for one in taken if not one.known)
        return TakenInAll(runs=new, known=len(asked) - len(new) - len(damaged) - removed, damaged=damaged)

    def forget(self, runs: Sequence[str]) -> int:
        """Take whole runs out again, with everything that only they said; a run that is not in it counts for nothing.

        Remove them from the volume first, or the next import brings them back.

        Returns:
            How many were in it.
        """
        return self._write(lambda connection: forget(connection, runs, self._distrusted))

    def forget_results(self, targets: Sequence[str]) -> int:
        """Take out all that was ever found of some targets, by their ids.

        Write down on the volume that it is deleted first, or the next import brings it back.

        Returns:
            Of how many scans there was something.
        """
        return self._write(lambda connection: forget_results(connection, targets))

    def prune(self, keep: int, now: datetime | None = None) -> Pruned:
        """Delete what ended long ago: findings that are gone, cells of old runs, targets no run had since.

        How each target and scan stands now stays, and what it has. A run that was emptied is not imported again.

        Args:
            keep: seconds.
            now: with a time zone; the present moment without it.
        """
        before = (now or datetime.now(UTC)) - timedelta(seconds=keep)
        return self._write(lambda connection: retention.prune(connection, int(before.timestamp())))

    def write_workloads(self, workloads: Sequence[StoredWorkload], now: datetime | None = None) -> int:
        """Write what runs in clusters: each listed cluster whole, because what is not listed counts as gone.

        Returns:
            Number of containers whose target no run had yet; they are left out.
        """
        at = int((now or datetime.now(UTC)).timestamp())
        return self._write(lambda connection: names.write_workloads(connection, workloads, at))

    def events(self, after: EventCursor | None = None, most: int = 1000) -> EventPage:
        """What changed after a place, each thing exactly once, however many processes write.

        Args:
            after: that place; None for the present end, after which everything comes that changes from now on.
            most: events.
        """
        with self._reading() as connection:
            return read_events(connection, after, most)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within the block, what is asked of this store tells of one moment, and begins no transaction of its own."""
        with self._reading() as connection:
            token = _SHARED.set(_Shared(self._engine, self._owners, connection, []))
            try:
                yield
            finally:
                _SHARED.reset(token)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        shared = _SHARED.get()
        if shared is not None and (shared.engine, shared.owners) == (self._engine, self._owners):
            with translated(self._url):
                yield shared.connection
            return
        engine = self._limited if deadlines.is_set() else self._engine
        with translated(self._url), reading_at_once(engine, self._check) as connection:
            if self._owners is not None:
                limit(connection, self._owners)
            yield connection

    @staticmethod
    def _revision(connection: Connection) -> str:
        """The revision of what a connection sees; of a block in which everything is asked at once it is read once."""
        shared = _SHARED.get()
        if shared is None or shared.connection is not connection:
            return revision_of(connection)
        if not shared.revision:
            shared.revision.append(revision_of(connection))
        return shared.revision[0]

    def _check(self, connection: Connection) -> None:
        migration.check(connection)

    def _write(self, action: Callable[[Connection], T]) -> T:
        """Do it as the only writer; again, with growing pauses, while the database is away."""
        self._refuse_owners()
        deadline = time.monotonic() + self._patience

        def attempt() -> T:
            with translated(self._url), writing_alone(self._engine, patience=self._patience) as connection:
                if migration.revision(connection):
                    migration.check(connection)
                else:
                    migration.migrate(connection)
                connection.rollback()
                return action(connection)

        return Patience(
            None,
            backoff=Backoff(_FIRST_WAIT, _LONGEST_WAIT),
            left=lambda: deadline - time.monotonic(),
            kinds=(StoreGoneError,),
        ).retry(attempt)

    def _refuse_owners(self) -> None:
        if self._owners is not None:
            raise ScopeError("a store that shows what some owners may see is only read")
