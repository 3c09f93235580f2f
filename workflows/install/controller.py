"""The controller of `ScanMatrix` resources, as it is installed: the definition, its rights, and a Deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.argo import names
from orchestrator.config.resource import GROUP, PLURAL
from orchestrator.workflows.install.accounts import rule, rules_of_all
from orchestrator.workflows.install.custom_resource import custom_resource
from orchestrator.workflows.install.network import api_server, dns
from orchestrator.workflows.install.objects import Manifest, container_security, manifest, pod_security, resources
from orchestrator.workflows.settings import SCRATCH

if TYPE_CHECKING:
    from orchestrator.config.loading import Config

COMPONENT: Final = "controller"
NAMESPACE: Final = "scanmatrix-system"
NAME: Final = "scanmatrix-controller"
#: Where it answers probes and Prometheus, and the name of that port.
PORT, PORT_NAME = 8081, "health"
_RBAC, _RBAC_API = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
#: What it makes, changes and follows; of Secrets it makes two of a kind that holds a token, and reads none.
_MADE = "create delete get list patch watch"
_OWN = (
    rule(GROUP, [PLURAL], "get list patch watch"),
    rule(GROUP, [f"{PLURAL}/status"], "patch"),
    rule(GROUP, [f"{PLURAL}/finalizers"], "update"),
    rule("", ["configmaps", "serviceaccounts", "services"], _MADE),
    rule("", ["persistentvolumeclaims"], "create get list watch"),
    rule("", ["secrets", "events"], "create"),
    rule("", ["namespaces"], "get list watch"),
    rule("apps", ["deployments"], _MADE),
    rule("networking.k8s.io", ["networkpolicies"], _MADE),
    rule("policy", ["poddisruptionbudgets"], _MADE),
    rule(_RBAC, ["roles", "rolebindings"], _MADE),
    rule("argoproj.io", ["workflowtemplates", "cronworkflows"], _MADE),
    rule("argoproj.io", ["workflows"], "get list patch watch"),
    rule("apiextensions.k8s.io", ["customresourcedefinitions"], "list watch"),
)


def controller(config: Config) -> list[Manifest]:
    """The definition of the resource, and all that the controller needs.

    Args:
        config: names the image, and where the API server is.
    """
    space = manifest("Namespace", NAMESPACE, None)
    for mode in ("enforce", "audit", "warn"):
        space["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] = "restricted"
    labels = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: COMPONENT}
    account = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]
    # What makes a role must have every right that is in it.
    cluster = manifest("ClusterRole", NAME, None, api=_RBAC_API, rules=[*_OWN, *rules_of_all()])
    lease = [rule("coordination.k8s.io", ["leases"], "create get update")]
    policy = {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress", "Egress"],
        # Its metrics say how many resources there are, and nothing of them: any pod may read those.
        "ingress": [{"ports": [{"protocol": "TCP", "port": PORT}]}],
        "egress": [api_server(config), dns()],
    }
    return [
        custom_resource(),
        space,
        manifest("ServiceAccount", NAME, NAMESPACE, automountServiceAccountToken=False),
        cluster,
        _binding("ClusterRole", None, account),
        manifest("Role", NAME, NAMESPACE, api=_RBAC_API, rules=lease),
        _binding("Role", NAMESPACE, account),
        manifest("NetworkPolicy", NAME, NAMESPACE, api="networking.k8s.io/v1", spec=policy),
        manifest(
            "PodDisruptionBudget",
            NAME,
            NAMESPACE,
            api="policy/v1",
            spec={"minAvailable": 1, "selector": {"matchLabels": labels}},
        ),
        manifest("Deployment", NAME, NAMESPACE, api="apps/v1", component=COMPONENT, spec=_deployment(config, labels)),
    ]


def monitored() -> list[Manifest]:
    """What has Prometheus's operator read the controller's metrics, where that is: a Service, and a ServiceMonitor."""
    selector = {names.PART_OF: names.SCANMATRIX, names.COMPONENT: COMPONENT}
    port = {"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP"}
    # Of each pod by itself: one acts, and all say whether they do.
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector, "ports": [port]}
    endpoint = {"port": PORT_NAME, "path": "/metrics", "interval": "30s"}
    reading = {"selector": {"matchLabels": {names.COMPONENT: COMPONENT}}, "endpoints": [endpoint]}
    api = "monitoring.coreos.com/v1"
    return [
        manifest("Service", NAME, NAMESPACE, component=COMPONENT, spec=spec),
        manifest("ServiceMonitor", NAME, NAMESPACE, api=api, component=COMPONENT, spec=reading),
    ]


def _binding(kind: str, namespace: str | None, subjects: list[Manifest]) -> Manifest:
    role = {"apiGroup": _RBAC, "kind": kind, "name": NAME}
    return manifest(f"{kind}Binding", NAME, namespace, api=_RBAC_API, roleRef=role, subjects=subjects)


def _probe(path: str, failures: int) -> Manifest:
    get = {"path": path, "port": PORT_NAME}
    return {"httpGet": get, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": failures}


def _deployment(config: Config, labels: Manifest) -> Manifest:
    container = {
        "name": COMPONENT,
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["scanmatrix", "controller"],
        "args": ["--lease", f"{NAMESPACE}/{NAME}", "--health-port", str(PORT)],
        "env": [{"name": name, "value": SCRATCH} for name in ("HOME", "TMPDIR")],
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": _probe("/healthz", 30),  # a busy node takes a minute to import everything
        "livenessProbe": _probe("/healthz", 6),
        "readinessProbe": _probe("/readyz", 3),
        "resources": resources("50m", "192Mi", "1Gi"),
        "securityContext": container_security(),
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}],
    }
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    return {
        "replicas": 2,  # one acts, the other waits for its lease
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
