"""Which namespaces and pods of a cluster a source of targets means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cluster.installed import OURS
from orchestrator.kit.matching import any_pattern, is_name

if TYPE_CHECKING:
    from orchestrator.cluster.objects import Pod
    from orchestrator.config.targets import ClusterSource


def is_meant(namespace: str, source: ClusterSource) -> bool:
    """Whether a source of targets means a namespace."""
    return any_pattern(namespace, source.namespaces) and not any_pattern(namespace, source.exclude)


def is_own(pod: Pod, source: ClusterSource) -> bool:
    """Whether it is a pod of scanmatrix itself, which a source does not mean."""
    label, _, value = OURS.partition("=")
    return not source.own_pods and pod.metadata.labels.get(label) == value


def scopes(source: ClusterSource) -> tuple[str, ...]:
    """Namespaces to ask for one by one, where all are named; else the empty name, which stands for all of them."""
    names = source.namespaces
    if not all(is_name(name) for name in names):
        return ("",)
    return tuple(name for name in dict.fromkeys(names) if is_meant(name, source))
