"""Sections of the configuration that only the install into a cluster reads."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from orchestrator.validation import Section

_QUANTITY = r"^[0-9]{1,9}(\.[0-9]{1,3})?(m|[kMGTP]i?)?$"
_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_SUBJECT = r"^[A-Za-z0-9]([A-Za-z0-9._:@/-]{0,251}[A-Za-z0-9])?$"


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(
            f"{value!r} is no network: {error}; write it as 10.0.0.0/8, one address as 10.0.0.1/32"
        ) from None


def _account(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}", value):
        raise ValueError(f"{value!r} is no service account; write namespace/name")
    return value


Cidr = Annotated[str, AfterValidator(_cidr)]
Port = Annotated[int, Field(ge=1, le=65535)]
Quantity = Annotated[str, Field(pattern=_QUANTITY)]
Concurrency: TypeAlias = Literal["Forbid", "Replace", "Allow"]


class ApiServer(Section):
    """Where pods reach the Kubernetes API; no scan pod reaches anything else.

    Attributes:
        cidrs: networks of its addresses, the Service's and the endpoints'.
        ports: its ports, likewise.
    """

    cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    ports: Annotated[tuple[Port, ...], Field(min_length=1)] = (443, 6443)


class History(Section):
    """Ended Workflows of the schedule that stay in the cluster."""

    succeeded: Annotated[int, Field(ge=0, le=100)] = 3
    failed: Annotated[int, Field(ge=0, le=100)] = 3


class Operator(Section):
    """Somebody who may start, watch and end runs: exactly one of a group, a user and a service account."""

    group: Annotated[str, Field(pattern=_SUBJECT)] | None = None
    user: Annotated[str, Field(pattern=_SUBJECT)] | None = None
    service_account: Annotated[str, AfterValidator(_account)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Operator:
        if sum(value is not None for value in (self.group, self.user, self.service_account)) != 1:
            raise ValueError("an operator is exactly one of group, user and serviceAccount")
        return self


class Quota(Section):
    """Most that the pods of the namespace may take together; what is over waits.

    Attributes:
        pods: running or waiting at the same time.
        cpu: requested.
        memory: requested.
        memory_limit: of all limits.
    """

    pods: Annotated[int, Field(ge=10, le=100_000)] = 250
    cpu: Quantity = "64"
    memory: Quantity = "128Gi"
    memory_limit: Quantity = "512Gi"


class SchedulerPods(Section):
    """The Deployment of `scanmatrix schedule`.

    Attributes:
        replicas: how many of them; 0 leaves it in the cluster without a pod.
        store_secret: Secret whose key `url` is the URL of the store; None for a file on the volume.
        kubeconfig_secret: Secret whose key `kubeconfig` has the contexts of other clusters; None for none.
        environment_secret: Secret whose keys become variables: credentials of exports and notifications; None for none.
    """

    replicas: Annotated[int, Field(ge=0, le=20)] = 0
    store_secret: Annotated[str, Field(pattern=_NAME)] | None = None
    kubeconfig_secret: Annotated[str, Field(pattern=_NAME)] | None = None
    environment_secret: Annotated[str, Field(pattern=_NAME)] | None = None

    @model_validator(mode="after")
    def _one_store(self) -> SchedulerPods:
        if self.replicas > 1 and not self.store_secret:
            raise ValueError("several replicas need a database that all of them reach: give storeSecret")
        return self


class Nfs(Section):
    """An export for the volume."""

    server: Annotated[str, Field(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$")]
    path: Annotated[str, Field(pattern=r"^(/[^/\s]+)+$")]
