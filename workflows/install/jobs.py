"""What jobs of events need in the cluster: rights of the service, and of the namespaces beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.workflows.install.accounts import (
    CONTROLLER,
    EXECUTOR,
    JOBS,
    account_with,
    binding_of,
    controller_binding,
    role_of,
    token_of,
)

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.workflows.install.objects import Manifest


def job_namespaces(config: Config, service: str) -> list[Manifest]:
    """The rights in each further namespace where tasks run: of Argo's executor and controller, and of the service.

    The namespaces themselves, and what tasks read there, are for others to make.

    Args:
        config: names the namespaces.
        service: name of the service's account.
    """
    jobs, name = config.events.jobs, config.argo.service_account
    found: list[Manifest] = []
    for namespace in jobs.namespaces if jobs else ():
        if namespace == config.argo.namespace:
            continue
        found += account_with(name, namespace, EXECUTOR, token=False)
        found.append(token_of(name, namespace))
        found += [role_of(f"{name}-controller", namespace, CONTROLLER), controller_binding(name, namespace)]
        subject = {"kind": "ServiceAccount", "name": service, "namespace": config.argo.namespace}
        found += [role_of(service, namespace, JOBS), binding_of(service, namespace, [subject])]
    return found
