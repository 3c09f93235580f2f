"""The store itself as the queue: its rows are both message and lease, so there is nothing else to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.store.cell_queue.store import QueueStore

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.queues.interface import CellQueue

#: Seconds that importing results may wait; what is asked of the queue does not wait, but is asked again.
_PATIENCE = 30.0


def make(config: Config) -> CellQueue:
    """See `QueueModule`."""
    return QueueStore.of(config, patience=_PATIENCE)
