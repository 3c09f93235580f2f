"""The store, and which runs could not be imported: no answer is given that would need one of them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.queries.counted import CountedTargets
from orchestrator.results.errors import NoResultsError
from orchestrator.store import matrix
from orchestrator.store.database import StoreDatabase
from orchestrator.store.past import StoreReader
from orchestrator.store.remembered import StoreMemory
from orchestrator.store.scope import unlimited
from orchestrator.volume.layout import STORE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from orchestrator.volume.layout import Volume

#: A moment after all that ever ended, and more rows than there are.
ALWAYS = sys.maxsize


class WholeStore(StoreDatabase):
    """A store of which it is known what it lacks."""

    def __init__(self, url: str, *, patience: float = 30.0) -> None:
        super().__init__(url, patience=patience)
        self._missing: dict[str, tuple[str, Sequence[tuple[str, str, int]]]] = {}
        self._counted = CountedTargets()
        self._memory = StoreMemory()

    def miss(self, run: str, why: str, results: Sequence[tuple[str, str, int]]) -> None:
        """Know of a run that could not be imported: what it found is never taken for gone.

        Args:
            run: its id.
            why: it could not.
            results: that it should have: target, scan, and when each ended, seconds since 1970. Where a question needs
                one of them, because there is none that is newer, it is refused.
        """
        # Another one: a question in another thread may be reading it.
        self._missing = {**self._missing, run: (why, results)}

    def is_index_of(self, volume: Volume) -> bool:
        """Whether this is the store on a volume, and no run that it was to have is missing in it."""
        return not self._missing and self.file == volume.root / STORE

    def miss_none_but(self, runs: Collection[str]) -> dict[str, str]:
        """Forget what was missing, but for these runs: others could be imported since, or are gone.

        Returns:
            By run, why those of them that are missing already are.
        """
        self._missing = {run: self._missing[run] for run in self._missing.keys() & set(runs)}
        return {run: why for run, (why, _) in self._missing.items()}

    def revision(self) -> str:
        """What changes whenever an answer may: what is in it, who is not believed, and which runs are missing."""
        with self._reading() as connection:
            return " ".join((self._revision(connection), *sorted(self._missing)))

    @contextmanager
    def _past(self, since: datetime | None = None) -> Iterator[StoreReader]:
        """All runs; refused where one is missing that says how something stands, or stood at a moment."""
        with self._reading() as connection:
            for moment in (ALWAYS, *([] if since is None else [int(since.timestamp())])):
                self._refuse(connection, moment)
            known = self._memory.at(self._revision(connection), self._owners, self._distrusted)
            yield StoreReader(connection, self._distrusted, known)

    def _refuse(self, connection: Connection, moment: int) -> None:
        # What followed a missing result may be of others, so that some owners do not see it.
        with unlimited(connection):
            for why, results in self._missing.values():
                if results and matrix.lacks(connection, results, moment):
                    raise NoResultsError(why)
