"""The namespace, who may do what in it, and how much of the cluster it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflows.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config import Config
    from workflows.manifests import Manifest

OPERATOR = "scanmatrix-operator"
_RBAC = "rbac.authorization.k8s.io/v1"
_ARGO = "argoproj.io"


def meta(config: Config, name: str, **more: Any) -> dict[str, Any]:
    """Metadata of an object of ours."""
    labels = {"app.kubernetes.io/part-of": "scanmatrix"}
    return {"name": name, "namespace": config.argo.namespace, "labels": labels} | more


def namespace(config: Config) -> list[Manifest]:
    """The namespace, in which only pods without any privilege are admitted."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "app.kubernetes.io/part-of": "scanmatrix"}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": config.argo.namespace, "labels": labels}}]


def accounts(config: Config) -> list[Manifest]:
    """Service accounts and Roles, each with what its pods do and no more.

    | account | may |
    |---|---|
    | `scanmatrix` (Argo's executor beside each container) | report the results of its task |
    | `scanmatrix-parent` (pods `shard`) | create Workflows, and follow them |
    | `scanmatrix-reader` (pods `aggregate`, `left`) | read Workflows, pods and their logs |
    | Role `scanmatrix-operator`, for people and services | all of the above, and cancel and delete Workflows |
    | Argo's controller | keep a large template in a ConfigMap |
    """
    settings = settings_of(config)
    results = _rule(["workflowtaskresults"], ["create", "patch"])
    follow = _rule(["workflows"], ["create", "get", "patch"])
    read = [_rule(["workflows"], ["get", "list"]), _rule(["pods", "pods/log"], ["get", "list"], group="")]
    operate = [
        _rule(["workflows"], ["create", "get", "list", "watch", "patch", "update", "delete"]),
        _rule(["workflowtemplates", "cronworkflows"], ["get", "list", "watch"]),
        _rule(["pods", "pods/log"], ["get", "list", "watch"], group=""),
    ]
    large = _rule(["configmaps"], ["create", "delete"], group="")
    return [
        *_account(config, settings.service_account, [results]),
        # Kubernetes makes such a Secret no more by itself, and Argo mounts it by this name into its own containers.
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": meta(
                config,
                f"{settings.service_account}.service-account-token",
                annotations={"kubernetes.io/service-account.name": settings.service_account},
            ),
        },
        *_account(config, settings.parent, [results, follow]),
        *_account(config, settings.reader, [results, *read]),
        _role(config, OPERATOR, operate),
        _role(config, "scanmatrix-controller", [large]),
        _binding(config, "scanmatrix-controller", {"kind": "ServiceAccount", "name": "argo", "namespace": "argo"}),
    ]


def quotas(config: Config) -> list[Manifest]:
    """What the namespace may take of the cluster, and what a container gets that does not say."""
    defaults = {
        "type": "Container",
        "defaultRequest": {"cpu": "10m", "memory": "32Mi"},
        "default": {"memory": "512Mi"},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": meta(config, "scanmatrix"),
            "spec": {"hard": {"pods": "500", "requests.cpu": "200", "requests.memory": "800Gi"}},
        },
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": meta(config, "scanmatrix"),
            "spec": {"limits": [defaults]},
        },
    ]


def _account(config: Config, name: str, rules: Sequence[Manifest]) -> list[Manifest]:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(config, name)}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": config.argo.namespace}
    return [account, _role(config, name, rules), _binding(config, name, subject)]


def _role(config: Config, name: str, rules: Sequence[Manifest]) -> Manifest:
    return {"apiVersion": _RBAC, "kind": "Role", "metadata": meta(config, name), "rules": list(rules)}


def _binding(config: Config, name: str, subject: Manifest) -> Manifest:
    return {
        "apiVersion": _RBAC,
        "kind": "RoleBinding",
        "metadata": meta(config, name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [subject],
    }


def _rule(resources: Sequence[str], verbs: Sequence[str], *, group: str = _ARGO) -> Manifest:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
