"""The database of all runs goes away while a run is active, and comes back after it ended."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from orchestrator.queries import Store
from orchestrator.queries.opening import fill
from orchestrator.store import StoreGoneError
from tests.stored_runs import rows_of
from tests.tools.postgres import start_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.volume.layout import Volume


@contextmanager
def store_away(volume: Volume, address: str, folder: Path) -> Iterator[str]:
    """Its URL; within the block nobody answers there.

    Args:
        volume: whose runs it has, also the one of the block when that is over.
        address: that it listens on.
        folder: for a database that was never away, which has to hold the same in the end.

    Raises:
        AssertionError: it does not say that it is away, or holds something else afterwards.
    """
    with start_postgres(address) as server:
        url = server.create("campaign")
        with Store(url) as store:
            store.migrate()
            fill(store, volume)
        server.kill()
        try:
            yield url
            _ask_in_vain(url, volume)
        finally:
            server.start()
        for each in (url, f"sqlite:///{folder / 'never-away.sqlite3'}"):
            with Store(each) as store:
                store.migrate()
                fill(store, volume)
        assert rows_of(url) == rows_of(f"sqlite:///{folder / 'never-away.sqlite3'}")


def _ask_in_vain(url: str, volume: Volume) -> None:
    with pytest.raises(StoreGoneError, match="no result is lost"), Store(url, patience=0) as store:
        fill(store, volume)
