"""What hands cells to workers: one module per queue, found by name.

To add one: a module with `make` (see `orchestrator.queues.interface`), its line here, and its name in
`orchestrator.config.queue`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.queues.interface import CellQueue, QueueModule

#: Modules of this folder that are queues, by the name that `queue.kind` gives them.
_MODULES = {"store": "store", "kafka": "kafka"}


def make(config: Config) -> CellQueue:
    """The queue that the configuration names; nothing is connected yet."""
    module: QueueModule = import_module(f"{__name__}.{_MODULES[config.queue.kind]}")
    return module.make(config)
