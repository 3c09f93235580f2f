"""What is elsewhere: registries with the log-ins to them, and the cluster."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.api.doctor.diagnosis import CheckState
from orchestrator.api.doctor.probes import Probe, Seen
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.keychain import Keychain
from orchestrator.kit.advice import command_line
from orchestrator.net.errors import Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api.doctor.wanted import Needs, RegistryUse
    from orchestrator.config.loading import Config

#: Seconds to wait for a connection, and for any next byte.
_TIMEOUT = (5.0, 8.0)
#: Seconds for a cluster that nothing needs.
_UNASKED = 3.0


def probes(config: Config, needs: Needs) -> Iterator[Probe]:
    """A look at each registry that targets are read from, and at each cluster."""
    for use in needs.registries:
        what = f"{use.host} (cache)" if use.cache else use.host
        advice = f"check the network and the proxy settings for {use.host}"
        yield Probe("registry", what, True, partial(_look_at_registry, config, use), advice)
    wanted = dict.fromkeys([*([None] if needs.in_cluster else []), *needs.clusters])
    advice = "kubectl config get-contexts lists the clusters that you have"
    for context in wanted or (None,):
        runs = needs.in_cluster and context is None
        look = partial(_look_at_cluster, config, context, needed=bool(wanted), runs=runs)
        patience = math.inf if wanted else _UNASKED
        yield Probe("cluster", context or "current context", bool(wanted), look, advice, patience)


def _look_at_registry(config: Config, use: RegistryUse) -> Seen:
    """One manifest of it is read, as planning does; where only a list is wanted, it is greeted."""
    repository = use.example.repository if use.example else ""
    login = Keychain().find(use.location.partition("://")[2].partition("/")[0], repository)
    who = f"log-in from {login.described}" if login else "no log-in"
    with RegistryClient(config.insecure, retries=0, caches=config.cache, timeout=_TIMEOUT) as client:
        try:
            if use.example:
                client.manifest(use.location, use.example.digest or use.example.tag)
            else:
                client.greet(use.location)
        except NotFound as error:
            return Seen(CheckState.OK, f"answers, {who}; but {error}")
        except Denied as error:
            state = CheckState.BROKEN if login else CheckState.MISSING
            return Seen(state, str(error), f"docker login {use.host}")
    return Seen(CheckState.OK, f"answers, {who}")


def _look_at_cluster(config: Config, context: str | None, *, needed: bool, runs: bool) -> Seen:
    """Whether there is one; a context that somebody names is there, or their configuration is wrong."""
    from orchestrator.cluster.errors import NoClusterError

    try:
        return _look_into_cluster(config, context, runs=runs)
    except NoClusterError as error:
        if context is not None:
            raise
        found, _, advice = str(error).rpartition("; ")
        return Seen(CheckState.MISSING, found if needed else "none, and nothing here needs one", advice)


def _look_into_cluster(config: Config, context: str | None, *, runs: bool) -> Seen:
    """Whether it answers; of the one that runs plans, whether Argo and our own objects are there."""
    from orchestrator.argo.names import WORKFLOW_TEMPLATE
    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.errors import ObjectNotFoundError

    with Cluster(config.argo.namespace, context=context, patience=0) as cluster:
        found = f"Kubernetes {cluster.version} at {cluster.host}"
        if not runs:
            return Seen(CheckState.OK, found)
        if not cluster.has_argo():
            install = command_line("install", "--out", "deploy")
            advice = f"{install} && kubectl apply -k deploy/argo-install/overlays/single-node"
            return Seen(CheckState.MISSING, f"{found}, without Argo Workflows", advice)
        try:
            cluster.workflow_template(WORKFLOW_TEMPLATE)
        except ObjectNotFoundError:
            advice = f"{command_line('install', '--render')} | kubectl apply -f -"
            return Seen(CheckState.MISSING, f"{found}, nothing installed in {cluster.namespace}", advice)
    return Seen(CheckState.OK, f"{found}, installed in {config.argo.namespace}")
