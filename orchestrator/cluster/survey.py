"""What runs in a cluster, in whichever namespace: pods, namespaces, and what made them.

Of everything but pods only the metadata is asked for (`PartialObjectMetadata` of the Kubernetes API), a small part of
the object.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import msgspec

from orchestrator.cluster.errors import ForbiddenError, ObjectNotFoundError
from orchestrator.cluster.lists import pages, watch
from orchestrator.cluster.objects import Described, Machine, Metadata, Owner, Pod
from orchestrator.cluster.transport import CORE, JSON, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)

_PAGE = 500
_PARTIAL = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io," + JSON
# More levels than any workload has; a ring of owners ends here.
_MOST_LEVELS = 6


class _Resource(msgspec.Struct):
    name: str
    kind: str


class _Resources(msgspec.Struct):
    """`APIResourceList`: which kinds a version of an API group has."""

    resources: list[_Resource] = []


class Workload(NamedTuple):
    """What a pod belongs to, as people know it.

    Attributes:
        kind: `Deployment`, `CronJob`, …; `Pod` for one that nobody made.
        name: in its namespace.
        labels: its own.
        annotations: its own.
    """

    kind: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Survey:
    """A cluster, all its namespaces.

    Args:
        context: of the kubeconfig; by default the service account of this pod, or the kubeconfig's current context.
        patience: seconds to keep trying while the API server is away or busy.

    Raises:
        NoClusterError: there is no such context, nor a service account.
    """

    def __init__(self, context: str | None = None, *, patience: float = 60.0) -> None:
        self._connection = Connection(context, patience)
        self.name = context or self._connection.host
        self._plurals: dict[tuple[str, str], str] = {}
        self._listed: set[tuple[str, str, str]] = set()
        self._known: dict[str, Metadata | None] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()

    def namespaces(self) -> dict[str, Metadata]:
        """Every namespace by its name.

        Raises:
            ForbiddenError: we may not list them.
        """
        return {found.name: found for found in self._described(f"{CORE}/namespaces")}

    def namespace(self, name: str) -> Metadata:
        """One namespace; with its name alone where we may not read it."""
        try:
            return self._one(f"{CORE}/namespaces/{name}")
        except ForbiddenError as error:
            _log.warning("namespace %s may not be read, so its labels and annotations are not known: %s", name, error)
            return Metadata(name=name)

    def pods(self, namespace: str = "") -> Iterator[tuple[list[Pod], str]]:
        """Pods that have not ended, a few hundred at a time, with the resource version to watch from.

        Args:
            namespace: only of this one.

        Raises:
            ForbiddenError: we may not list them.
            ExpiredError: it took too long; list again.
        """
        query = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
        for page in pages(self._connection, _pods(namespace), limit=_PAGE, query=query):
            yield [msgspec.json.decode(item, type=Pod) for item in page.items], page.metadata.resource_version

    def platforms(self) -> dict[str, str]:
        """`os/architecture` of every node by its name, of those whose metadata says so.

        Raises:
            ForbiddenError: we may not list them.
        """
        found: dict[str, str] = {}
        for page in pages(self._connection, f"{CORE}/nodes", limit=_PAGE, accept=_PARTIAL.format("List")):
            machines = (msgspec.json.decode(item, type=Machine) for item in page.items)
            found |= {each.metadata.name: each.platform for each in machines if each.platform}
        return found

    def platform(self, node: str) -> str:
        """The same of one node, which is asked for whole; empty where it does not say.

        Raises:
            ForbiddenError: we may not read it.
            ObjectNotFoundError: it is gone.
        """
        data = self._connection.request("GET", f"{CORE}/nodes/{quote(node, safe='')}")
        return msgspec.json.decode(data, type=Machine).platform

    def watch_pods(self, version: str, namespace: str = "", *, seconds: int = 240) -> Iterator[tuple[str, Pod]]:
        """Changes of pods after a resource version; see `orchestrator.cluster.lists.watch`."""
        return watch(self._connection, _pods(namespace), Pod, version, seconds=seconds)

    def workload(self, pod: Metadata, scope: str = "") -> Workload:
        """What a pod belongs to: the last of its owners that can be read.

        Args:
            pod: its metadata.
            scope: namespace whose objects may be listed; all of the cluster by default.
        """
        kind, last = "Pod", pod
        for _ in range(_MOST_LEVELS):
            owner = last.controller
            if owner is None or owner.kind == "Node":  # the kubelet's own pods
                break
            found = self._owner(owner, pod.namespace, scope)
            if found is None:
                return Workload(owner.kind, owner.name, {}, {})
            kind, last = owner.kind, found
        if last is pod:
            return Workload(kind, pod.name, {}, {})  # whatever it says, it says as a pod
        return Workload(kind, last.name, last.labels, last.annotations)

    def _owner(self, owner: Owner, namespace: str, scope: str) -> Metadata | None:
        """Its metadata; None when it is gone, or none of our business.

        The first of a kind brings all of them, because that costs little more than one.
        """
        if owner.uid in self._known:
            return self._known[owner.uid]
        plural = self._plural(owner)
        if not plural:
            return None
        base = _version_path(owner.api_version)
        try:
            if (owner.api_version, owner.kind, scope) not in self._listed:
                self._listed.add((owner.api_version, owner.kind, scope))
                path = f"{base}/namespaces/{scope}/{plural}" if scope else f"{base}/{plural}"
                self._known |= {found.uid: found for found in self._described(path)}
            if owner.uid not in self._known:
                self._known[owner.uid] = self._one(f"{base}/namespaces/{namespace}/{plural}/{owner.name}")
        except (ForbiddenError, ObjectNotFoundError) as error:
            _log.info("%s %s/%s cannot be read: %s", owner.kind, namespace, owner.name, error)
            self._known.setdefault(owner.uid, None)
        return self._known[owner.uid]

    def _plural(self, owner: Owner) -> str:
        """How the API's paths call a kind; empty when it knows none such."""
        key = owner.api_version, owner.kind
        if key not in self._plurals:
            base = _version_path(owner.api_version)
            try:
                found = msgspec.json.decode(self._connection.request("GET", base), type=_Resources).resources
            except (ForbiddenError, ObjectNotFoundError):
                found = []
            self._plurals |= {(owner.api_version, each.kind): each.name for each in found if "/" not in each.name}
            self._plurals.setdefault(key, "")
        return self._plurals[key]

    def _described(self, path: str) -> Iterator[Metadata]:
        for page in pages(self._connection, path, limit=_PAGE, accept=_PARTIAL.format("List")):
            yield from (msgspec.json.decode(item, type=Described).metadata for item in page.items)

    def _one(self, path: str) -> Metadata:
        data = self._connection.request("GET", path, accept=_PARTIAL.format(""))
        return msgspec.json.decode(data, type=Described).metadata


def _version_path(api_version: str) -> str:
    """Where the API has a version of a group; the core group has a path of its own."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _pods(namespace: str) -> str:
    return f"{CORE}/namespaces/{namespace}/pods" if namespace else f"{CORE}/pods"
