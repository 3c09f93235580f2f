"""What a task of a job may reach: a NetworkPolicy for each, which is deleted with its Workflow."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from orchestrator.argo import names
from orchestrator.argo.names import Component
from orchestrator.config.networks import NEVER, PRIVATE
from orchestrator.kit.urls import split_url
from orchestrator.workflows.install.network import api_server, block, dns, port_of, ports_of
from orchestrator.workflows.install.objects import Manifest, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.jobs.model import EgressTo, JobTask
    from orchestrator.jobs.order import JobFiles, JobOrder

_SSH = 22


def policies_of_job(order: JobOrder, config: Config) -> list[Manifest]:
    """A policy for each task: nobody connects to it, and it connects only where it asked to.

    Argo's executor beside it needs the Kubernetes API, for which the task has no token; and what fetches its files
    the very addresses of the repository's host, by their port.
    """
    return [_policy(order, number, each.matched.task, config) for number, each in enumerate(order.tasks, start=1)]


def _policy(order: JobOrder, number: int, task: JobTask, config: Config) -> Manifest:
    labels = {
        names.PART_OF: names.SCANMATRIX,
        names.COMPONENT: str(Component.JOB),
        names.ARGO_WORKFLOW: order.name,
        names.TASK: str(number),
    }
    asked: Sequence[EgressTo] = task.network_policy.egress if task.network_policy else ()
    rules = [api_server(config), *(_of_files(order.files, config) if task.files else ())]
    rules += [dns()] if asked else []
    rules += [_allowed(each) for each in asked]
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"], "egress": rules}
    found = manifest("NetworkPolicy", f"{order.name}-{number}", order.namespace,
                     api="networking.k8s.io/v1", spec=spec)  # fmt: skip
    # Not as a part of the installation, whose parts are deleted when they are configured no more.
    found["metadata"]["labels"] = {names.JOB: order.run}
    return found


def _allowed(asked: EgressTo) -> Manifest:
    """One place that a task asked for."""
    found: Manifest = {"ports": ports_of(asked.ports)} if asked.ports else {}
    if asked.cidr is not None:
        return {"to": [block(str(ipaddress.ip_network(asked.cidr)), NEVER)], **found}
    peer: Manifest = {"podSelector": {"matchLabels": asked.pods} if asked.pods else {}}
    if asked.namespace is not None:
        peer["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": asked.namespace}}
    return {"to": [peer], **found}


def _of_files(files: JobFiles, config: Config) -> Iterator[Manifest]:
    """The repository's host, by its addresses; in a private network also what the configuration names of these.

    Where the host is a Service of the cluster, pods are reached by other addresses than it has.
    """
    parts = split_url(files.repository) if "://" in files.repository else None
    port = port_of(files.repository) if parts else _SSH
    if not files.addresses:
        return
    to = [block(str(ipaddress.ip_network(address)), ()) for address in files.addresses]
    if any(_is_private(address) for address in files.addresses):
        to += [block(cidr, NEVER) for cidr in config.argo.network.private]
    yield {"to": to, "ports": ports_of([port])}


def _is_private(address: str) -> bool:
    found = ipaddress.ip_address(address)
    networks = map(ipaddress.ip_network, PRIVATE)
    return any(found in network for network in networks if network.version == found.version)
