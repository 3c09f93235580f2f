"""What of a cluster's pods becomes no target, so that it can be said."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.inventory.namespaces import is_meant, is_own
from orchestrator.inventory.running import waiting

if TYPE_CHECKING:
    from orchestrator.cluster.objects import Pod
    from orchestrator.config.targets import ClusterSource

_log = logging.getLogger(__name__)

# Containers or namespaces that a message names.
_MOST_NAMED = 5


class LeftOut:
    """Containers that have not started, and pods of our own and of namespaces that a source does not mean.

    Args:
        source: which namespaces are meant.
    """

    def __init__(self, source: ClusterSource) -> None:
        self._source = source
        self._waiting: dict[str, None] = {}
        self._unmeant: dict[str, None] = {}
        self._own: dict[str, None] = {}

    def see(self, pod: Pod) -> None:
        """Note what of a pod is left out; the same pod may be seen several times."""
        namespace = pod.metadata.namespace
        if not is_meant(namespace, self._source):
            self._unmeant[namespace] = None
            return
        if is_own(pod, self._source):
            self._own[f"{namespace}/{pod.metadata.name}"] = None
            return
        for container, why in waiting(pod):
            reason = f": {why}" if why else ""
            self._waiting[f"{namespace}/{pod.metadata.name} ({container}{reason})"] = None

    def tell(self, cluster: str) -> None:
        """Log it: a warning for what will be missed, for information what the configuration wants so."""
        if self._waiting:
            _log.warning(
                "cluster %s: no target is made of containers that have not started yet: %s", cluster,
                _some(self._waiting),
            )  # fmt: skip
        if self._unmeant:
            _log.info("cluster %s: pods run in namespaces that are not meant: %s", cluster, _some(self._unmeant))
        if self._own:
            _log.info("cluster %s: no target is made of scanmatrix's own pods: %s", cluster, _some(self._own))


def _some(names: dict[str, None]) -> str:
    first = list(names)[:_MOST_NAMED]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(first)}{more}"
