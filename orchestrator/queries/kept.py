"""A store that stays open: for what asks many questions, and imports what ends meanwhile on its own.

with keeping(volume, config) as kept:
kept.refresh()                      # now and then
with kept.here():
results_api.list_results(config)   # asks this store, like everything else in the block
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.queries.opening import KEPT, fill
from orchestrator.queries.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from orchestrator.config.loading import Config
    from orchestrator.volume.layout import Volume

#: Seconds for which writing waits for a database, or for another writer: somebody waits for the answer.
PATIENCE = 5.0


class KeptStore:
    """A store that stays open, and the volume that fills it.

    Attributes:
        store: it.
        filled: whether everything on the volume was imported at least once: before, an answer would have gaps.
    """

    def __init__(self, store: Store, volume: Volume) -> None:
        self.store = store
        self.filled = False
        self._volume = volume
        self._lock = threading.Lock()

    def refresh(self) -> int:
        """Import what the volume has and the store lacks; one thread at a time does.

        Returns:
            How many runs were imported.

        Raises:
            StoreGoneError: the database does not answer.
            SchemaError: its tables are of another version.
        """
        with self._lock:
            if self.store.file is not None and not self.filled:
                self.store.migrate()
            found = fill(self.store, self._volume)
            self.filled = True
            return found

    def take_in(self, run: str) -> None:
        """Import one run that has just ended."""
        self.store.take_in(self._volume, run)

    @contextmanager
    def here(self, owners: Collection[str] | None = None) -> Iterator[None]:
        """Within the block, all that opens the store of a configuration gets this one.

        Args:
            owners: as only these may see it; None for all.
        """
        token = KEPT.set(self.store if owners is None else self.store.only(owners))
        try:
            yield
        finally:
            KEPT.reset(token)


@contextmanager
def keeping(volume: Volume, config: Config) -> Iterator[KeptStore]:
    """Keep the store of a configuration open.

    Args:
        volume: where the runs lie.
        config: names the store; without one it is a file on the volume.

    Raises:
        StoreUrlError: the URL cannot be used, or its driver is not installed.
    """
    if config.store.url is None:
        volume.root.mkdir(parents=True, exist_ok=True)
    with Store.of(config, patience=PATIENCE) as store:
        yield KeptStore(store, volume)
