"""The local engine: a run on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.planning.venue import HERE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine
    from orchestrator.model import Scan

remote = False
venue = HERE


def make(config: Config, *, mounted: bool) -> Engine:  # noqa: ARG001 - as `EngineFolder` has it
    """See `EngineFolder`; the volume is always that of the configuration."""
    from orchestrator.admission.scans import refused_at_start  # noqa: PLC0415 - only for those who run something
    from orchestrator.engines.local.engine import LocalEngine  # noqa: PLC0415
    from orchestrator.scanners.rules import volume_of  # noqa: PLC0415

    local = config.local
    return LocalEngine(
        volume_of(config),
        runner=local.runner,
        sandbox=local.sandbox,
        downloads=config.databases.update,
        refused=lambda plan: refused_at_start(plan, config),
    )


def missing(config: Config, scans: Iterable[Scan]) -> dict[str, str]:
    """See `orchestrator.engines.missing`; containers are looked for only where a program is not here."""
    from orchestrator.engines.local.launch import Launcher  # noqa: PLC0415 - as above

    launcher = Launcher(config.local.runner, "missing", sandbox=config.local.sandbox)
    return {scan.name: why for scan in scans if (why := launcher.missing(scan))}


def at_hand(config: Config, scans: Iterable[Scan]) -> tuple[str, ...]:
    """See `orchestrator.engines.at_hand`: a container may have to be downloaded first, so it is not."""
    from orchestrator.engines.local.launch import Launcher  # noqa: PLC0415 - as above

    launcher = Launcher(config.local.runner, "at hand", sandbox=config.local.sandbox)
    return tuple(scan.name for scan in scans if launcher.is_process(scan) and not launcher.missing(scan))
