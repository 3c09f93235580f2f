"""The section `argo`: how scans run in a cluster, and what the install makes there."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Cpus, Cron, DnsName, Duration, Memory, Name, PathText, Text, TimeZone
from orchestrator.config.networks import is_never
from orchestrator.config.section import CelRule, OneOf, Section, WrongKey
from orchestrator.config.workers import WorkerPods

_SUBJECT = r"^[A-Za-z0-9]([A-Za-z0-9._:@/-]{0,251}[A-Za-z0-9])?$"


def _cidr(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(
            f"{value!r} is no network: {error}; write it as 10.0.0.0/8, one address as 10.0.0.1/32"
        ) from None


def _within(value: str) -> str:
    """A network that is not wholly among those that no pod may reach."""
    if is_never(value):
        raise ValueError(f"{value}: no pod may reach this, for there clouds give out the credentials of the machine")
    return value


def _account(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}", value):
        raise ValueError(f"{value!r} is no service account; write namespace/name")
    return value


Cidr = Annotated[
    str, AfterValidator(_cidr), ValueKind("network", {"type": "string", "pattern": r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"})
]
Port = Annotated[int, Field(ge=1, le=65535), ValueKind("number")]
Subject = Annotated[str, StringConstraints(pattern=_SUBJECT), ValueKind("name")]
Account = Annotated[
    str,
    AfterValidator(_account),
    ValueKind("namespace/name", {"type": "string", "pattern": r"^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}$"}),
]
Concurrency: TypeAlias = Literal["Forbid", "Replace", "Allow"]


class ApiServer(Section):
    """Where pods reach the Kubernetes API; no scan pod reaches anything else.

    Attributes:
        cidrs: its addresses
        ports: its ports
    """

    cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    ports: Annotated[tuple[Port, ...], Field(min_length=1)] = (443, 6443)


class Network(Section):
    """What pods may reach beside the public internet; the metadata services of clouds are never among it.

    Attributes:
        private: private networks of your mirrors, registries, git hosts, database or receivers
        ports: further ports of the scheduler, for receivers whose URLs are kept in a Secret; and of workers, for their
            store
    """

    private: tuple[Annotated[Cidr, AfterValidator(_within)], ...] = ()
    ports: tuple[Port, ...] = ()


class HistorySection(Section):
    """Ended Workflows of the schedule that stay in the cluster.

    Attributes:
        succeeded: of those that succeeded
        failed: of those that failed
    """

    succeeded: Annotated[int, Field(ge=0, le=100)] = 3
    failed: Annotated[int, Field(ge=0, le=100)] = 3


class Operator(OneOf):
    """Somebody who may start, watch and end runs: exactly one of a group, a user and a service account.

    Attributes:
        group: a group, as the cluster's authentication calls it
        user: a user
        service_account: a service account
    """

    choices = ("group", "user", "service_account")

    group: Subject | None = None
    user: Subject | None = None
    service_account: Account | None = None


class Quota(Section):
    """Most that the pods of the namespace may take together; what is over waits.

    Attributes:
        pods: pods at the same time
        cpu: CPUs requested
        memory: memory requested
        memory_limit: sum of the limits of memory
    """

    pods: Annotated[int, Field(ge=10, le=100_000)] = 250
    cpu: Cpus = "64"
    memory: Memory = "128Gi"
    memory_limit: Memory = "512Gi"


class SchedulerPods(Section):
    """The Deployment of `scanmatrix schedule`.

    Attributes:
        replicas: how many pods; several need a `storeSecret`
        store_secret: Secret whose key `url` is the URL of the store; without one, a file on the volume
        kubeconfig_secret: Secret whose key `kubeconfig` has the contexts of other clusters
        environment_secret: Secret whose keys become environment variables: credentials of [exports](exports.md) and
            [notifications](notifications.md)
    """

    replicas: Annotated[int, Field(ge=0, le=20)] = 0
    store_secret: Name | None = None
    kubeconfig_secret: Name | None = None
    environment_secret: Name | None = None

    across = (
        CelRule(
            "!has(self.replicas) || self.replicas <= 1 || has(self.storeSecret)",
            "several replicas need a database that all of them reach: name the Secret with its URL in storeSecret",
        ),
    )

    @model_validator(mode="after")
    def _one_store(self) -> SchedulerPods:
        if self.replicas > 1 and not self.store_secret:
            message = "several replicas need a database that all of them reach: name the Secret with its URL"
            raise WrongKey(("storeSecret",), message)
        return self


class ServiceIngress(Section):
    """How an Ingress leads to the service.

    Attributes:
        host: name under which it is reached
        class_name: IngressClass; by default the cluster's own choice
        tls_secret: Secret with the certificate of the host
    """

    host: DnsName
    class_name: Name | None = None
    tls_secret: Name | None = None


class ServiceGateway(Section):
    """The Gateway whose route (HTTPRoute) leads to the service.

    Attributes:
        name: of the Gateway
        namespace: where it is; by default that of the service
        host: name under which the service is reached; by default all names of the Gateway
    """

    name: Name
    namespace: Name | None = None
    host: DnsName | None = None


class ServiceMonitor(Section):
    """How the Prometheus operator is to read the metrics of the service.

    Attributes:
        token_secret: Secret whose key `token` is a token of the service with the role `read`
        labels: of the ServiceMonitor, by which your Prometheus finds it
    """

    token_secret: Name
    labels: dict[Text, Text] = Field(default_factory=dict)


class ServicePods(Section):
    """The Deployment of `scanmatrix serve`, which is optional (`scanmatrix install --service`).

    Attributes:
        replicas: how many pods; several need `argo.scheduler.storeSecret`
        tokens_secret: Secret whose key `tokens.json` is the file of tokens; by default `scanmatrix-tokens`, or none
            where `auth` has nothing but `oidc`
        namespaces: whose pods reach the service, in addition to its own: those of your ingress controller or gateway,
            and of Prometheus
        ingress: an Ingress that leads to it; none by default
        gateway: a route from a Gateway to it; none by default
        monitor: a ServiceMonitor for its metrics; none by default
    """

    replicas: Annotated[int, Field(ge=1, le=20)] = 1
    tokens_secret: Name | None = None
    namespaces: tuple[Name, ...] = ()
    ingress: ServiceIngress | None = None
    gateway: ServiceGateway | None = None
    monitor: ServiceMonitor | None = None

    @model_validator(mode="after")
    def _is_reached(self) -> ServicePods:
        for key, given in (("ingress", self.ingress), ("monitor", self.monitor)):
            if given and not self.namespaces:
                message = "nothing of another namespace could reach the service: name its namespace in `namespaces`"
                raise WrongKey((key,), message)
        if self.gateway and not self.namespaces and not self.gateway.namespace:
            raise WrongKey(("gateway",), "name the namespace of its pods in `namespaces`, else they cannot reach it")
        return self


class Argo(Section):
    """What Argo needs to know.

    Attributes:
        namespace: where workflows run
        service_account: of their pods; needs what Argo's executor needs, nothing more
        schedule: of the CronWorkflow that `scanmatrix render` writes
        timezone: of the schedule
        registry_secret: Secret of type `kubernetes.io/dockerconfigjson` for the pods that read registries; scanners
            never see it
        git_secret: Secret with what private git repositories need: `<host>.password` and, if the host needs a
            particular one, `<host>.username` for each host (a port as `_8443`); `ssh-privatekey` and `known_hosts` for
            SSH; `ca.crt` for your own certificate authority. Pods that plan get all of it; a pod that fetches a
            repository gets only the password of its host ([repositories.md](repositories.md#a-token-for-each-host))
        token_secrets: Secrets whose key `token` holds a token for the API of a git host, by host (`github.com:
            github-token`); only cells that ask it get theirs ([repositories.md](repositories.md))
        concurrency: when a scheduled run is due while the last one is active: skip it, stop the last one, or run both
        reaper: when runs that ended without their last step are finished, and what they hold is freed
            ([workflows.md](workflows.md#runs-that-end-without-their-last-step))
        start_within: how late a missed scheduled run may start
        history: number of ended Workflows of the schedule that are kept
        api_server: where pods reach the Kubernetes API: narrow it to the output of `kubectl get endpoints kubernetes`,
            because it is all that a scan pod can reach
        network: what pods with a network may reach in addition to the public internet
            ([install.md](install.md#network-access))
        images: file with the digests of the manifests' images, instead of the shipped one
            ([install.md](install.md#images-by-digest))
        operators: who may start, watch and end runs; each has exactly one of the keys below
        quota: maximum that the namespace's pods may use together; pods above it wait
        scheduler: the Deployment of `scanmatrix schedule` ([scheduler.md](scheduler.md))
        service: the Deployment of `scanmatrix serve` ([api.md](api.md#in-a-cluster))
        workers: the Deployments of `scanmatrix worker` ([queue.md](queue.md#in-a-cluster))
    """

    namespace: Name = "scanmatrix"
    service_account: Name = "scanmatrix"
    schedule: Cron | None = None
    timezone: TimeZone = "Etc/UTC"
    registry_secret: Name | None = None
    git_secret: Name | None = None
    token_secrets: dict[DnsName, Name] = Field(default_factory=dict)
    concurrency: Concurrency = "Forbid"
    reaper: Cron = "*/15 * * * *"
    start_within: Annotated[Duration, Field(ge=60)] = 3600
    history: HistorySection = HistorySection()
    api_server: ApiServer = ApiServer()
    network: Network = Network()
    images: PathText | None = None
    operators: tuple[Operator, ...] = ()
    quota: Quota = Quota()
    scheduler: SchedulerPods = SchedulerPods()
    service: ServicePods = ServicePods()
    workers: WorkerPods = WorkerPods()

    across = (
        CelRule(
            "!has(self.service) || self.service.replicas <= 1 || has(self.scheduler.storeSecret)",
            "several replicas of the service need a database that all of them reach: name the Secret with its URL in"
            " argo.scheduler.storeSecret",
        ),
    )

    @model_validator(mode="after")
    def _one_store(self) -> Argo:
        if self.service.replicas > 1 and not self.scheduler.store_secret:
            message = "several replicas of the service need a database that all of them reach: name its Secret here"
            raise WrongKey(("scheduler", "storeSecret"), message)
        return self
