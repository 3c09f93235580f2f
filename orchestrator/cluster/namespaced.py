"""Objects of any of the kinds that an installation makes, in one namespace: read, applied, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.cluster.client import ARGO
from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.cluster.installed import KINDS, METADATA
from orchestrator.cluster.lists import pages
from orchestrator.cluster.objects import Described, Metadata
from orchestrator.cluster.transport import APPLY, CORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.cluster.transport import Connection

#: Objects of a page: whole ones, and their metadata alone.
_PAGE, _MANY = 100, 500
#: By this name the API server knows which fields of an object are ours.
MANAGER = "scanmatrix-controller"


class NamespacedObjects:
    """A namespace.

    Args:
        connection: to its cluster.
        namespace: its name.
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.namespace = namespace
        self._connection = connection

    def labelled(self, selector: str, kinds: frozenset[str]) -> Iterator[dict[str, Any]]:
        """Objects by label, of some kinds.

        Raises:
            ObjectNotFoundError: the cluster does not know a kind.
        """
        for name in KINDS:
            if name not in kinds:
                continue
            query = {"labelSelector": selector}
            for page in pages(self._connection, self._path(name), limit=_PAGE, query=query):
                for item in page.items:
                    yield msgspec.json.decode(item, type=dict[str, Any]) | {"kind": name}

    def metadata(self, kind: str) -> Iterator[dict[str, Any]]:
        """The metadata of every object of a kind, also of those that others made."""
        for page in pages(self._connection, self._path(kind), limit=_MANY, accept=METADATA):
            for item in page.items:
                yield msgspec.json.decode(item, type=dict[str, Any]) | {"kind": kind}

    def one(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object; None where there is none."""
        try:
            data = self._connection.request("GET", f"{self._path(kind)}/{name}")
        except ObjectNotFoundError:
            return None
        return msgspec.json.decode(data, type=dict[str, Any]) | {"kind": kind}

    def apply(self, manifest: Mapping[str, Any]) -> str:
        """Have the API server give an object our fields; the version that it then has.

        Raises:
            ObjectNotFoundError: the cluster does not know the kind.
            RejectedError: it is not valid, or Kubernetes does not let a field be changed.
        """
        path = f"{self._path(manifest['kind'])}/{manifest['metadata']['name']}"
        query = {"fieldManager": MANAGER, "force": "true"}
        data = self._connection.request("PATCH", path, query=query, body=manifest, content=APPLY)
        return msgspec.json.decode(data, type=Described).metadata.resource_version

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Make an object.

        Raises:
            ObjectExistsError: there is one of that name.
        """
        self._connection.request("POST", self._path(manifest["kind"]), body=manifest)

    def patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """Change parts of an object by a JSON merge patch; one that is gone is no error."""
        try:
            self._connection.request("PATCH", f"{self._path(kind)}/{name}", body=patch)
        except ObjectNotFoundError:
            return

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, with what belongs to it; one that is gone already is no error."""
        query = {"propagationPolicy": "Background"}
        try:
            self._connection.request("DELETE", f"{self._path(kind)}/{name}", query=query)
        except ObjectNotFoundError:
            return

    def workflows(self, selector: str) -> Iterator[Metadata]:
        """Workflows by label, their metadata alone: Argo keeps their phase among the labels."""
        path = f"{ARGO}/namespaces/{self.namespace}/workflows"
        query = {"labelSelector": selector}
        for page in pages(self._connection, path, limit=_PAGE, query=query, accept=METADATA):
            yield from (msgspec.json.decode(item, type=Described).metadata for item in page.items)

    def workflow(self, name: str) -> dict[str, Any]:
        """A Workflow as plain data; empty where it is gone."""
        try:
            data = self._connection.request("GET", f"{ARGO}/namespaces/{self.namespace}/workflows/{name}")
        except ObjectNotFoundError:
            return {}
        return msgspec.json.decode(data, type=dict[str, Any])

    def stop(self, name: str, how: str) -> None:
        """Stop a Workflow: `Stop` lets its exit handler run, `Terminate` does not; one that is gone is no error."""
        path = f"{ARGO}/namespaces/{self.namespace}/workflows/{name}"
        try:
            self._connection.request("PATCH", path, body={"spec": {"shutdown": how}})
        except ObjectNotFoundError:
            return

    def tell(self, about: Mapping[str, Any], kind: str, reason: str, message: str, when: str) -> None:
        """Write an event about an object.

        Args:
            about: the object.
            kind: `Normal` or `Warning`.
            reason: a word.
            message: a sentence.
            when: now, as Kubernetes writes it.
        """
        metadata = about["metadata"]
        involved = {key: metadata.get(key) for key in ("name", "namespace", "uid", "resourceVersion")}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name'][:200]}-", "namespace": self.namespace},
            "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], **involved},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": MANAGER},
            "firstTimestamp": when,
            "lastTimestamp": when,
            "count": 1,
        }
        self._connection.request("POST", f"{CORE}/namespaces/{self.namespace}/events", body=body)

    def _path(self, kind: str) -> str:
        found = KINDS[kind]
        return f"{found.path}/namespaces/{self.namespace}/{found.plural}"
