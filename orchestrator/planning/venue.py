"""What a plan must know of where it will run; the package of each engine names its own as `venue`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.argo.items import fit_for_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.config.loading import Config
    from orchestrator.model import Online, Plan


@dataclass(frozen=True)
class Venue:
    """A place where plans run.

    Attributes:
        in_cluster: whether Argo runs them: each cell is a pod, and the batches of a plan are shards, some of which run
            side by side; elsewhere one batch runs after the other.
        fit: the plan as it can run there: cells that cannot are marked as failed, none is left out.
        hosts: those hosts of an API for which there is a token there.
        reads_sboms: whether it can give scans a stored SBOM in place of an image.
    """

    in_cluster: bool
    fit: Callable[[Plan], Plan]
    hosts: Callable[[Config, Online], Iterable[str]]
    reads_sboms: bool = False


def _as_it_is(plan: Plan) -> Plan:
    return plan


def _in_environment(config: Config, online: Online) -> Iterable[str]:  # noqa: ARG001 - as `Venue` has it
    return [host for host, variable in online.tokens.items() if os.environ.get(variable)]


def _in_secrets(config: Config, online: Online) -> Iterable[str]:
    return online.tokens.keys() & config.argo.token_secrets.keys()


#: This machine: every plan that is made here can run here, with the tokens in the environment.
HERE = Venue(in_cluster=False, fit=_as_it_is, hosts=_in_environment, reads_sboms=True)
#: Argo Workflows in a cluster, where the configuration says which tokens there are (`argo.tokenSecrets`).
CLUSTER = Venue(in_cluster=True, fit=fit_for_cluster, hosts=_in_secrets, reads_sboms=True)
