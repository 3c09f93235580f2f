"""The Argo engine: a run on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.planning.venue import CLUSTER

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine

remote = True
venue = CLUSTER


def make(config: Config, *, mounted: bool) -> Engine:
    """See `EngineFolder`."""
    from orchestrator.engines.argo.engine import ArgoEngine  # noqa: PLC0415 - imports kubernetes
    from orchestrator.scanners.rules import volume_of  # noqa: PLC0415

    return ArgoEngine(config, volume_of(config), mounted=mounted)
