"""What there is of what a configuration needs: scanners, runtimes, databases, registries, cluster, store, volume.

Every look is bounded in time, and all are done side by side: one that hangs is reported as such, and delays no other.
Nothing is changed, and nothing is shown of a log-in but where it comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.api.doctor.diagnosis import Diagnosis
from orchestrator.api.doctor.probes import run_probes
from orchestrator.kit.own import own_version

if TYPE_CHECKING:
    from orchestrator.config.loading import Config

#: Seconds for all looks together.
PATIENCE = 20.0


def examine(config: Config, *, patience: float = PATIENCE) -> Diagnosis:
    """Look at everything that runs of this configuration use.

    Args:
        config: what is needed follows from it.
        patience: seconds after which what has not answered is reported as not answering.
    """
    from orchestrator.api.doctor import machine, places, remote, scanners, wanted

    needs = wanted.needs_of(config)
    found = [scanners.probes(config, needs), machine.probes(config, needs), places.probes(config, needs)]
    found.append(remote.probes(config, needs))
    checks = run_probes([probe for each in found for probe in each], patience)
    return Diagnosis(
        version=own_version(),
        config=str(config.path or ""),
        engine=config.engine,
        checks=(*needs.troubles, *checks),
    )
