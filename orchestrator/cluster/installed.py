"""What an installation made in a cluster: everything with its label, of the kinds that it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestrator.cluster.client import ARGO
from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError
from orchestrator.cluster.lists import pages
from orchestrator.cluster.transport import CORE, JSON, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_PAGE = 100
#: The label of every namespace with its name.
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
#: Media type of lists of metadata alone.
METADATA = f"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,{JSON}"


class ObjectKind(NamedTuple):
    """A kind of object.

    Attributes:
        path: of its API group and version.
        plural: as the path has it.
        whole: whether more of it counts than its metadata; never of Secrets.
        everywhere: whether it is of the whole cluster.
    """

    path: str
    plural: str
    whole: bool = False
    everywhere: bool = False


#: The label of everything that is made in a cluster, pods of runs among it.
OURS = "app.kubernetes.io/part-of=scanmatrix"
#: What an installation makes.
KINDS = {
    "ServiceAccount": ObjectKind(CORE, "serviceaccounts"),
    "ConfigMap": ObjectKind(CORE, "configmaps"),
    "Secret": ObjectKind(CORE, "secrets"),
    "Service": ObjectKind(CORE, "services"),
    "ResourceQuota": ObjectKind(CORE, "resourcequotas"),
    "LimitRange": ObjectKind(CORE, "limitranges"),
    "PersistentVolumeClaim": ObjectKind(CORE, "persistentvolumeclaims", whole=True),
    "PersistentVolume": ObjectKind(CORE, "persistentvolumes", whole=True, everywhere=True),
    "Deployment": ObjectKind("/apis/apps/v1", "deployments", whole=True),
    "Job": ObjectKind("/apis/batch/v1", "jobs"),
    "NetworkPolicy": ObjectKind("/apis/networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ObjectKind("/apis/policy/v1", "poddisruptionbudgets"),
    "Ingress": ObjectKind("/apis/networking.k8s.io/v1", "ingresses"),
    "HTTPRoute": ObjectKind("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "ServiceMonitor": ObjectKind("/apis/monitoring.coreos.com/v1", "servicemonitors"),
    "HorizontalPodAutoscaler": ObjectKind("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ScaledObject": ObjectKind("/apis/keda.sh/v1alpha1", "scaledobjects"),
    "TriggerAuthentication": ObjectKind("/apis/keda.sh/v1alpha1", "triggerauthentications"),
    "Role": ObjectKind(_RBAC, "roles"),
    "RoleBinding": ObjectKind(_RBAC, "rolebindings", whole=True),
    "ClusterRoleBinding": ObjectKind(_RBAC, "clusterrolebindings", whole=True, everywhere=True),
    "ValidatingAdmissionPolicy": ObjectKind(_ADMISSION, "validatingadmissionpolicies", whole=True, everywhere=True),
    "ValidatingAdmissionPolicyBinding": ObjectKind(
        _ADMISSION, "validatingadmissionpolicybindings", whole=True, everywhere=True
    ),
    "WorkflowTemplate": ObjectKind(ARGO, "workflowtemplates"),
    "CronWorkflow": ObjectKind(ARGO, "cronworkflows"),
}


class InstalledObjects:
    """One installation.

    Args:
        namespace: where it is.
        context: of the kubeconfig; by default its current one.
        patience: seconds to keep trying while the API server is away or busy.

    Raises:
        NoClusterError: there is neither a kubeconfig nor a service account.
    """

    def __init__(self, namespace: str, *, context: str | None = None, patience: float = 60.0) -> None:
        self._namespace = namespace
        self._connection = Connection(context, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def every(self) -> Iterator[dict[str, Any]]:
        """Its objects, those of the whole cluster that are for its namespace among them; of some only the metadata.

        Raises:
            ForbiddenError: this user may not see them; installing takes the same rights.
        """
        query = {"labelSelector": OURS}
        for name, kind in KINDS.items():
            accept = JSON if kind.whole else METADATA
            try:
                for page in pages(self._connection, self._path(kind), limit=_PAGE, query=query, accept=accept):
                    for item in page.items:
                        found = msgspec.json.decode(item, type=dict[str, Any]) | {"kind": name}
                        if not kind.everywhere or self._namespace in _namespaces(found):
                            yield found
            except ObjectNotFoundError:
                continue  # Argo is not there yet
            except ForbiddenError as error:
                raise ForbiddenError(f"{error}; comparing takes the same rights as installing") from None

    def grows(self, claim: str) -> bool | None:
        """Whether the storage class of a claim lets it grow; None where nobody knows."""
        try:
            found = self._one(f"{CORE}/namespaces/{self._namespace}/persistentvolumeclaims/{claim}")
            class_ = found["spec"].get("storageClassName")
            if not class_:
                return None
            return bool(self._one(f"/apis/storage.k8s.io/v1/storageclasses/{class_}").get("allowVolumeExpansion"))
        except (ObjectNotFoundError, ForbiddenError):
            return None

    def delete(self, found: dict[str, Any]) -> None:
        """Delete one of its objects, with what belongs to it; one that is gone already is no error."""
        path = f"{self._path(KINDS[found['kind']])}/{found['metadata']['name']}"
        try:
            self._connection.request("DELETE", path, query={"propagationPolicy": "Background"})
        except ObjectNotFoundError:
            return

    def _path(self, kind: ObjectKind) -> str:
        place = "" if kind.everywhere else f"/namespaces/{self._namespace}"
        return f"{kind.path}{place}/{kind.plural}"

    def _one(self, path: str) -> dict[str, Any]:
        return msgspec.json.decode(self._connection.request("GET", path), type=dict[str, Any])


def _namespaces(found: dict[str, Any]) -> set[str]:
    """Those that an object of the whole cluster is for."""
    spec = found.get("spec", {})
    bound = spec.get("matchConstraints") or spec.get("matchResources") or {}
    labels = (bound.get("namespaceSelector") or {}).get("matchLabels") or {}
    subjects = (one.get("namespace", "") for one in found.get("subjects", ()))
    return {spec.get("claimRef", {}).get("namespace", ""), labels.get(_NAMESPACE_NAME, ""), *subjects}
