"""A Kubernetes client for Workflows and their pods.

Objects are decoded into our own types, which for a Workflow of a thousand nodes is many times as fast as into the
`kubernetes` package's models.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError
from orchestrator.cluster.lists import Page, lines, pages, watch
from orchestrator.cluster.objects import ARGO_API, Described, Metadata, Pod, PodEvent, Workflow
from orchestrator.cluster.transport import CORE, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

_log = logging.getLogger(__name__)

_Thing = TypeVar("_Thing", Workflow, Pod, PodEvent)

ARGO = f"/apis/{ARGO_API}"
_NETWORKING = "/apis/networking.k8s.io/v1"
_PAGE = 100


class _Version(msgspec.Struct, frozen=True):
    version: str = msgspec.field(name="gitVersion", default="")


class _Status(msgspec.Struct, frozen=True):
    stored: dict[str, Any] = msgspec.field(name="storedWorkflowTemplateSpec", default_factory=dict)


class _Stored(msgspec.Struct, frozen=True):
    """A Workflow, of which only what it was started from is read."""

    metadata: Metadata
    status: _Status = _Status()


class Cluster:
    """One namespace of a cluster.

    Args:
        namespace: where Workflows run.
        context: of the kubeconfig; by default its current one. Within a pod its service account is used instead.
        patience: seconds to keep trying while the API server is away or busy.

    Raises:
        NoClusterError: there is neither a kubeconfig nor a service account.
    """

    def __init__(self, namespace: str, *, context: str | None = None, patience: float = 120.0) -> None:
        self.namespace = namespace
        self._connection = Connection(context, patience)

    def __repr__(self) -> str:
        return f"Cluster({self.namespace!r} on {self._connection.host})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()

    @cached_property
    def identity(self) -> str:
        """The uid of the namespace, which none of another cluster has; empty where we may not read it."""
        path = "/".join((CORE, "namespaces", self.namespace))
        try:
            return msgspec.json.decode(self._connection.request("GET", path), type=Described).metadata.uid
        except (ForbiddenError, ObjectNotFoundError) as error:
            _log.info("the uid of namespace %s cannot be read: %s", self.namespace, error)
            return ""

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self._connection.host)

    @cached_property
    def version(self) -> str:
        """Of the API server: `v1.34.4`."""
        found = msgspec.json.decode(self._connection.request("GET", "/version"), type=_Version)
        return str(found.version)

    def has_argo(self) -> bool:
        """Whether it knows Workflows."""
        try:
            self._connection.request("GET", ARGO)
        except ObjectNotFoundError:
            return False
        return True

    def workflow(self, name: str) -> Workflow:
        """One Workflow."""
        return msgspec.json.decode(self._connection.request("GET", self._argo("workflows", name)), type=Workflow)

    def workflows(self, selector: str = "") -> Iterator[Workflow]:
        """Workflows by label, page by page, so that memory holds a few of them at a time."""
        return self._list(self._argo("workflows"), selector, Workflow, page=5)

    def create_workflow(self, manifest: Mapping[str, Any]) -> Workflow:
        """Submit a Workflow.

        Raises:
            ObjectExistsError: there is one of that name.
        """
        return msgspec.json.decode(
            self._connection.request("POST", self._argo("workflows"), body=manifest), type=Workflow
        )

    def patch_workflow(self, name: str, patch: Mapping[str, Any]) -> Workflow:
        """Change parts of a Workflow by a JSON merge patch (RFC 7386)."""
        return msgspec.json.decode(
            self._connection.request("PATCH", self._argo("workflows", name), body=patch), type=Workflow
        )

    def delete_workflow(self, name: str) -> None:
        """Delete a Workflow with all that belongs to it; one that is gone already is no error."""
        try:
            self._connection.request("DELETE", self._argo("workflows", name), query={"propagationPolicy": "Background"})
        except ObjectNotFoundError:
            return

    def workflow_template(self, name: str) -> dict[str, Any]:
        """A WorkflowTemplate as plain data."""
        data = self._connection.request("GET", self._argo("workflowtemplates", name))
        return msgspec.json.decode(data, type=dict[str, Any])

    def create_workflow_template(self, manifest: Mapping[str, Any]) -> None:
        """Make a WorkflowTemplate.

        Raises:
            ObjectExistsError: there is one of that name.
        """
        self._connection.request("POST", self._argo("workflowtemplates"), body=manifest)

    def create_network_policy(self, manifest: Mapping[str, Any]) -> None:
        """Make a NetworkPolicy.

        Raises:
            ObjectExistsError: there is one of that name.
        """
        self._connection.request("POST", self._policies(), body=manifest)

    def patch_network_policy(self, name: str, patch: Mapping[str, Any]) -> None:
        """Change parts of a NetworkPolicy by a JSON merge patch."""
        self._connection.request("PATCH", self._policies(name), body=patch)

    def delete_network_policy(self, name: str) -> None:
        """Delete a NetworkPolicy; one that is gone already is no error."""
        try:
            self._connection.request("DELETE", self._policies(name))
        except ObjectNotFoundError:
            return

    def stored_template(self, name: str) -> tuple[str, dict[str, Any]]:
        """A Workflow's uid, and the spec that Argo has stored in it, out of its WorkflowTemplate; empty for none."""
        data = self._connection.request("GET", self._argo("workflows", name))
        found = msgspec.json.decode(data, type=_Stored)
        return found.metadata.uid, found.status.stored

    def pods(self, selector: str, *, fields: str = "") -> Iterator[Pod]:
        """Pods by label and, if need be, field selector."""
        return self._list(self._core("pods"), selector, Pod, page=_PAGE, fields=fields)

    def delete_pod(self, name: str) -> None:
        """Delete a pod; one that is gone already is no error."""
        try:
            self._connection.request("DELETE", self._core("pods", name))
        except ObjectNotFoundError:
            return

    def add_container(self, pod: str, container: Mapping[str, Any]) -> None:
        """Put an ephemeral container into a pod that runs; it starts once and stays in the pod's specification."""
        self._connection.patiently(lambda: self._add_once(pod, container))

    def _add_once(self, pod: str, container: Mapping[str, Any]) -> None:
        there = msgspec.json.decode(self._connection.request("GET", self._core("pods", pod)), type=dict[str, Any])
        known = there["spec"].get("ephemeralContainers", [])
        if container["name"] in {each["name"] for each in known}:
            return  # only the answer was lost
        patch = {
            "metadata": {"resourceVersion": there["metadata"]["resourceVersion"]},
            "spec": {"ephemeralContainers": [*known, container]},
        }
        self._connection.whole("PATCH", self._core("pods", pod, "ephemeralcontainers"), body=patch)

    def warnings(self) -> Iterator[PodEvent]:
        """What Kubernetes warned of about pods of this namespace within the last hour."""
        return self._list(self._core("events"), "", PodEvent, page=500, fields="type=Warning,involvedObject.kind=Pod")

    def log(self, pod: str, *, container: str, lines: int | None = None, limit: int | None = None) -> str:
        """What a container wrote.

        Args:
            pod: its name.
            container: in it.
            lines: only this many at the end.
            limit: most bytes.
        """
        query: dict[str, Any] = {"container": container}
        query |= {"tailLines": lines} if lines else {}
        query |= {"limitBytes": limit} if limit else {}
        return self._connection.request("GET", self._core("pods", pod, "log"), query=query).decode(errors="replace")

    def follow_log(self, pod: str, *, container: str) -> Iterator[str]:
        """Lines of a container's log as they are written, until it ends."""
        answer = self._connection.open(
            "GET", self._core("pods", pod, "log"), query={"container": container, "follow": "true"}
        )
        try:
            for line in lines(answer, f"the log of pod {pod}", rest=True):
                yield line.decode(errors="replace")
        finally:
            answer.release_conn()

    def list_for_watch(self, selector: str) -> tuple[list[Workflow], str]:
        """Workflows by label and the resource version to watch from."""
        data = self._connection.request("GET", self._argo("workflows"), query={"labelSelector": selector})
        page = msgspec.json.decode(data, type=Page)
        return [msgspec.json.decode(item, type=Workflow) for item in page.items], page.metadata.resource_version

    def watch(self, selector: str, version: str, *, seconds: int = 240) -> Iterator[tuple[str, Workflow]]:
        """Changes of Workflows after a resource version; see `orchestrator.cluster.lists.watch`."""
        query = {"labelSelector": selector}
        return watch(self._connection, self._argo("workflows"), Workflow, version, query=query, seconds=seconds)

    def _argo(self, *parts: str) -> str:
        return "/".join((ARGO, "namespaces", self.namespace, *parts))

    def _policies(self, *parts: str) -> str:
        return "/".join((_NETWORKING, "namespaces", self.namespace, "networkpolicies", *parts))

    def _core(self, *parts: str) -> str:
        return "/".join((CORE, "namespaces", self.namespace, *parts))

    def _list(self, path: str, selector: str, kind: type[_Thing], *, page: int, fields: str = "") -> Iterator[_Thing]:
        query = {"labelSelector": selector} if selector else {}
        query |= {"fieldSelector": fields} if fields else {}
        for found in pages(self._connection, path, limit=page, query=query):
            yield from (msgspec.json.decode(item, type=kind) for item in found.items)
