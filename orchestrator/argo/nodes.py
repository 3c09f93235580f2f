"""The nodes of a Workflow, however its controller keeps them."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.agreed import Only
from orchestrator.argo.parameters import Parameter
from orchestrator.cluster.objects import Node
from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from orchestrator.cluster.objects import Workflow

#: Most bytes that compressed nodes may unfold to.
_LIMIT = 256 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class NodesUnreadableError(PermanentError):
    """The nodes of a Workflow are not in it, or are damaged."""


def is_work(workflow: Workflow) -> bool:
    """Whether a Workflow works on its run, and does not just print its results."""
    given = {each.name: each.value for each in workflow.spec.arguments.parameters}
    return given.get(Parameter.ONLY) != Only.RESULTS


def nodes(workflow: Workflow) -> dict[str, Node]:
    """Nodes by id.

    An object that grows beyond the API server's 1 MiB has its nodes as base64 of gzip in `status.compressedNodes`.

    Raises:
        NodesUnreadableError: the controller keeps them in its database (`nodeStatusOffLoad`), or they are damaged.
    """
    status = workflow.status
    if status.nodes:
        return status.nodes
    if status.compressed_nodes:
        try:
            inflate = zlib.decompressobj(_GZIP)
            # What is cut off, here or there, is no JSON.
            data = inflate.decompress(base64.b64decode(status.compressed_nodes, validate=True), _LIMIT)
            return msgspec.json.decode(data, type=dict[str, Node])
        except (binascii.Error, ValueError, zlib.error, msgspec.DecodeError, RecursionError, MemoryError) as error:
            raise NodesUnreadableError(
                f"Workflow {workflow.metadata.name}: its compressed nodes cannot be read: {error}"
            ) from error
    if status.offload_node_status_version:
        raise NodesUnreadableError(
            f"Workflow {workflow.metadata.name}: Argo keeps its nodes in a database; turn off `nodeStatusOffLoad`"
            " in Argo's persistence settings: shards keep each Workflow small enough without"
        )
    return {}
