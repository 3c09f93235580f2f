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
_RBAC, _RBAC_API = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
#: What it makes, and changes; of Secrets it makes two of a kind that holds a token, and reads none.
_MADE = "create delete get list patch"
_OWN = (
    rule(GROUP, [PLURAL], "get list patch watch"),
    rule(GROUP, [f"{PLURAL}/status"], "patch"),
    rule(GROUP, [f"{PLURAL}/finalizers"], "update"),
    rule("", ["configmaps", "serviceaccounts", "services"], _MADE),
    rule("", ["configmaps", "persistentvolumeclaims"], "watch"),
    rule("", ["persistentvolumeclaims"], "create get list"),
    rule("", ["secrets", "events"], "create"),
    rule("", ["namespaces"], "get list watch"),
    rule("apps", ["deployments"], f"{_MADE} watch"),
    rule("networking.k8s.io", ["networkpolicies"], _MADE),
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
    only_api = {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress", "Egress"],
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
        manifest("NetworkPolicy", NAME, NAMESPACE, api="networking.k8s.io/v1", spec=only_api),
        manifest(
            "PodDisruptionBudget",
            NAME,
            NAMESPACE,
            api="policy/v1",
            spec={"minAvailable": 1, "selector": {"matchLabels": labels}},
        ),
        manifest("Deployment", NAME, NAMESPACE, api="apps/v1", component=COMPONENT, spec=_deployment(config, labels)),
    ]


def _binding(kind: str, namespace: str | None, subjects: list[Manifest]) -> Manifest:
    role = {"apiGroup": _RBAC, "kind": kind, "name": NAME}
    return manifest(f"{kind}Binding", NAME, namespace, api=_RBAC_API, roleRef=role, subjects=subjects)


def _deployment(config: Config, labels: Manifest) -> Manifest:
    container = {
        "name": COMPONENT,
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["scanmatrix", "controller"],
        "args": ["--lease", f"{NAMESPACE}/{NAME}"],
        "env": [{"name": name, "value": SCRATCH} for name in ("HOME", "TMPDIR")],
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
