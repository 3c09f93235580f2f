"""The REST service and its page, as they are installed: a Deployment, its rights, and what leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.argo import names
from orchestrator.config.file import CONFIG_FILE
from orchestrator.workflows.install.accounts import service_account
from orchestrator.workflows.install.jobs import job_namespaces
from orchestrator.workflows.install.long_running import LongRunning, engine_of, pod_of
from orchestrator.workflows.install.network import policy_of_service
from orchestrator.workflows.install.objects import Manifest, manifest
from orchestrator.workflows.install.scheduler import digest_of
from orchestrator.workflows.pods import CONFIG_FOLDER
from orchestrator.workflows.settings import VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config

COMPONENT: Final = str(names.Component.SERVICE)
#: The port of the pods, and that of the Service, by the same name.
PORT, PORT_NAME, _SERVICE_PORT = 8000, "http", 80
#: Secret with the file of tokens, where the configuration names none; its key, and where the pods read it.
TOKENS: Final = "scanmatrix-tokens"
_TOKENS_KEY, _TOKENS_FOLDER = "tokens.json", "/tokens"
#: Seconds until it is killed: requests get ten to end, and its endpoints are gone before.
_GRACE = 30
#: Seconds in which it must answer at all after its start: it may have to wait for its database.
_STARTED = 600
_PERIOD = 10


def service(config: Config, contents: Mapping[str, str], *, shared: bool = False) -> list[Manifest]:
    """All that the service needs beside the installation whose configuration and volume it reads.

    Args:
        config: names everything.
        contents: of the ConfigMap of that installation; when they change, the pods start again.
        shared: the namespace has other pods too, and nothing is made that reaches beyond it.
    """
    pods, space = config.argo.service, config.argo.namespace
    name = name_of(config)
    labels = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: COMPONENT}
    selector = {"matchLabels": labels}
    digest = {names.CONFIGURATION_DIGEST: digest_of(contents)}
    deployment = {
        "replicas": pods.replicas,
        "selector": selector,
        "template": {"metadata": {"labels": labels, "annotations": digest}, "spec": _pod(config)},
    }
    port = {"name": PORT_NAME, "port": _SERVICE_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}
    found = [
        *service_account(config, shared=shared),
        *([] if shared else job_namespaces(config, name)),
        policy_of_service(config, PORT),
        manifest("Service", name, space, component=COMPONENT, spec={"selector": labels, "ports": [port]}),
        manifest("Deployment", name, space, api="apps/v1", component=COMPONENT, spec=deployment),
    ]
    if pods.replicas > 1:
        budget = {"minAvailable": 1, "selector": selector}
        found.append(manifest("PodDisruptionBudget", name, space, api="policy/v1", spec=budget))
    return [*found, *_ways(config, name)]


def name_of(config: Config) -> str:
    """Of all its objects."""
    return f"{config.argo.service_account}-{COMPONENT}"


def tokens_of(config: Config) -> str:
    """The Secret with the file of tokens; empty where nobody has a token but those of the OpenID provider."""
    if config.argo.service.tokens_secret:
        return config.argo.service.tokens_secret
    return TOKENS if config.auth.tokens or not config.auth.oidc else ""


def _ways(config: Config, name: str) -> list[Manifest]:
    """What leads to it from outside, and what reads its metrics: kinds that not every cluster has."""
    pods, space, found = config.argo.service, config.argo.namespace, []
    if one := pods.ingress:
        backend = {"service": {"name": name, "port": {"name": PORT_NAME}}}
        paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
        spec: Manifest = {"ingressClassName": one.class_name} if one.class_name else {}
        spec |= {"tls": [{"hosts": [one.host], "secretName": one.tls_secret}]} if one.tls_secret else {}
        spec["rules"] = [{"host": one.host, "http": paths}]
        found.append(manifest("Ingress", name, space, api="networking.k8s.io/v1", component=COMPONENT, spec=spec))
    if gateway := pods.gateway:
        parent = {"name": gateway.name, **({"namespace": gateway.namespace} if gateway.namespace else {})}
        spec = {
            "parentRefs": [parent],
            **({"hostnames": [gateway.host]} if gateway.host else {}),
            "rules": [{"backendRefs": [{"name": name, "port": _SERVICE_PORT}]}],
        }
        api = "gateway.networking.k8s.io/v1"
        found.append(manifest("HTTPRoute", name, space, api=api, component=COMPONENT, spec=spec))
    if monitor := pods.monitor:
        credentials = {"type": "Bearer", "credentials": {"name": monitor.token_secret, "key": "token"}}
        endpoint = {"port": PORT_NAME, "path": "/metrics", "interval": "30s", "authorization": credentials}
        spec = {"selector": {"matchLabels": {names.COMPONENT: COMPONENT}}, "endpoints": [endpoint]}
        one_of = manifest("ServiceMonitor", name, space, api="monitoring.coreos.com/v1", component=COMPONENT, spec=spec)
        one_of["metadata"]["labels"] |= monitor.labels
        found.append(one_of)
    return found


def _pod(config: Config) -> Manifest:
    tokens = tokens_of(config)
    # What is configured for people's machines, such as a file of tokens beside it, is not so here.
    variables = {"SCANMATRIX_ENGINE": engine_of(config)}
    variables |= {"SCANMATRIX_AUTH__TOKENS": f"{_TOKENS_FOLDER}/{_TOKENS_KEY}"} if tokens else {}
    return pod_of(
        config,
        LongRunning(
            component=COMPONENT,
            command=["scanmatrix", "serve", "--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
            args=["--volume", VOLUME, "--host", "0.0.0.0", "--port", str(PORT)],  # noqa: S104 - the pod's own address
            memory="256Mi",
            memory_limit="2Gi",
            grace=_GRACE,
            variables=variables,
            volumes={_TOKENS_FOLDER: {"secret": {"secretName": tokens, "defaultMode": 0o440}}} if tokens else {},
            fields=_probed(),
        ),
    )


def _probed() -> Manifest:
    """The port, and the probes: it lives while it answers anything, and is ready once it can answer questions."""

    def probe(path: str, failures: int) -> Manifest:
        get = {"path": path, "port": PORT_NAME}
        return {"httpGet": get, "periodSeconds": _PERIOD, "timeoutSeconds": 5, "failureThreshold": failures}

    return {
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": probe("/healthz", _STARTED // _PERIOD),
        "livenessProbe": probe("/healthz", 6),
        "readinessProbe": probe("/readyz", 1),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},  # until its endpoints are gone everywhere
    }
