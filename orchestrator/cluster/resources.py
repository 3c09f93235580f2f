"""Resources of the kind `ScanMatrix`: read, and their status written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.cluster.installed import METADATA
from orchestrator.cluster.lists import pages
from orchestrator.cluster.objects import Described, Metadata
from orchestrator.cluster.transport import JSON_PATCH
from orchestrator.config.resource import API_VERSION, KIND, PLURAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.cluster.transport import Connection

_PAGE = 100


class ScanMatrices:
    """Those of a cluster.

    Args:
        connection: to the cluster.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def one(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A resource; None where it is gone."""
        try:
            data = self._connection.request("GET", self._path(namespace, name))
        except ObjectNotFoundError:
            return None
        return {"apiVersion": API_VERSION, "kind": KIND, **msgspec.json.decode(data, type=dict[str, Any])}

    def every(self, namespace: str) -> Iterator[Metadata]:
        """Those of a namespace, their metadata alone: each of them may be a megabyte."""
        for page in pages(self._connection, self._path(namespace), limit=_PAGE, accept=METADATA):
            yield from (msgspec.json.decode(item, type=Described).metadata for item in page.items)

    def write_status(self, resource: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Give a resource another status, all of it; one that is gone, or another one by now, is no error.

        Nobody else writes it, so that it does not matter what else was changed since the resource was read.
        """
        metadata = resource["metadata"]
        path = self._path(metadata["namespace"], metadata["name"], "status")
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        try:
            self._connection.request("PATCH", path, body=patch, content=JSON_PATCH)
        except ObjectNotFoundError:
            return

    def _path(self, namespace: str, *parts: str) -> str:
        return "/".join((f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}", *parts))
