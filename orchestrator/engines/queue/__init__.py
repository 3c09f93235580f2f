"""The engine `queue`: workers that stay running take a plan's cells out of a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.planning.venue import HERE

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine

remote = True
# Workers have the very volume of the configuration, and run cells as the local engine does.
venue = HERE


def make(config: Config, *, mounted: bool) -> Engine:  # noqa: ARG001 - as `EngineFolder` has it
    """See `EngineFolder`; the volume is always that of the configuration."""
    from orchestrator import queues  # noqa: PLC0415 - only for those who run something
    from orchestrator.engines.queue.engine import QueueEngine  # noqa: PLC0415
    from orchestrator.scanners.rules import volume_of  # noqa: PLC0415

    return QueueEngine(config, volume_of(config), lambda: queues.make(config))
