"""The custom resource `ScanMatrix`: the keys of the configuration that mean something there, and a few of its own.

Its `spec` is what stands in `scanmatrix.yaml`, so that one can be copied into the other. Left out is what is of a
machine, what the resource itself says (its namespace), and what would let somebody who may only make resources in a
namespace reach beyond it: folders of the nodes, rights of other people, the quota of a namespace that has other pods.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from orchestrator.config.described import ValueKind
from orchestrator.config.loading import Config
from orchestrator.config.section import CelRule, Section
from orchestrator.config.structural import MOST_LETTERS, structural

GROUP: Final = "scanmatrix.github.io"
VERSION: Final = "v1alpha1"
KIND: Final = "ScanMatrix"
PLURAL: Final = "scanmatrices"
API_VERSION: Final = f"{GROUP}/{VERSION}"

#: Keys that a resource does not have, by the section that has them in a file.
WITHOUT: Final = {
    "Config": frozenset({"auth", "engine", "local", "metrics", "queue"}),
    "Argo": frozenset({"images", "namespace", "operators", "quota", "workers"}),
    "DatabasesSection": frozenset({"paths"}),
    "ServicePods": frozenset({"gateway", "ingress", "monitor"}),
    "StoreSection": frozenset({"url"}),
    "TargetSource": frozenset({"archive", "dir", "lookIn"}),
    "VolumeSection": frozenset({"hostPath", "hostPathPrefixes", "nfs", "path"}),
}
#: Keys whose default follows from others, or from the version of the controller.
UNDECIDED: Final = {
    "Argo": frozenset({"service"}),
    "Config": frozenset({"image"}),
    "ClusterSource": frozenset({"namespaces", "ownPods", "skipLabel"}),
    "SchedulerPods": frozenset({"replicas"}),
}
#: Lists that may be longer than others, and files as long as a ConfigMap lets them be.
_MOST_TARGETS, _MOST_FILES, _MOST_OF_A_FILE = 1000, 100, 900 * 1024
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_LABEL = r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"

FileName = Annotated[str, StringConstraints(pattern=_FILE), ValueKind("file name")]


class OwnKeys(Section):
    """What a resource says beside the configuration.

    Attributes:
        ignore_label: pods of the resource's namespace with this label, and the value `true`, are not scanned
        files: what the configuration names, by the name that it has there: lists of targets, templates, ignore rules
        suspend: nothing new is started while this is true; active runs continue
    """

    ignore_label: Annotated[str, StringConstraints(pattern=_LABEL), ValueKind("label")] | None = None
    files: Annotated[dict[FileName, str], Field(max_length=_MOST_FILES)] = Field(default_factory=dict)
    suspend: bool = False


_NAMES_IN_FILES = CelRule(
    "self.targets.all(one, !has(one.csv) || has(one.csv.git) || one.csv.path in self.files)",
    "a csv without git is one of spec.files: put its text there, under the name of its path",
)
_TEMPLATES_IN_FILES = CelRule(
    "self.scans.templates.all(name, name in self.files)",
    "scans.templates names files that are not in spec.files: put their text there",
)
_SEEN = CelRule(
    "self.targets.all(one, !has(one.cluster) || size(one.cluster.contexts) > 0 || !has(one.cluster.namespaces))",
    "a resource sees what runs in its own namespace: leave cluster.namespaces out, or name contexts of other clusters",
)
_ONE_CACHE = CelRule(
    "self.cache.all(a, self.cache.exists_one(b, b.upstream == a.upstream))", "more than one cache for an upstream"
)


def spec_schema() -> dict[str, Any]:
    """The structural schema of `spec`."""
    return copy.deepcopy(_spec_schema())


@cache
def _spec_schema() -> dict[str, Any]:
    """Made once: that takes a third of a second, and an installation has it in three files."""
    found = structural(Config, without=WITHOUT, undecided=UNDECIDED)
    own = structural(OwnKeys, without={}, undecided={})
    found["properties"] |= own["properties"]
    found["properties"]["files"]["additionalProperties"]["maxLength"] = _MOST_OF_A_FILE
    found["properties"]["targets"]["maxItems"] = _MOST_TARGETS
    rules = (_NAMES_IN_FILES, _TEMPLATES_IN_FILES, _SEEN, _ONE_CACHE)
    found["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in rules]
    found["description"] = "What is to be scanned, with what and when: the keys of scanmatrix.yaml, and a few more."
    return found


__all__ = ["API_VERSION", "GROUP", "KIND", "MOST_LETTERS", "PLURAL", "VERSION", "OwnKeys", "spec_schema"]
