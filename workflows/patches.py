"""Patches of the pods in which scanners run: what Argo adds to them, closed to the scanners.

Argo mounts one folder, which everybody in the pod may write, into all containers. It holds

| file | what it is |
|---|---|
| `argoexec` | the first process of each container; the controller runs it in Argo's own container too, to end that |
| `template` | what Argo's own container reads out of the pod and reports |
| `ctr/<container>` | exit status and signals of a container |

A scanner that replaces the program runs with the mounts of the other containers, and beside the token of Argo's own.
So each scanner gets program, template and the folders of other containers read-only. Where it is the pod's `main`,
Argo's own container would have all its mounts besides, writable even where they are read-only for the scanner: for
outputs, which no scan has.

A `podSpecPatch` is applied after Argo has put the containers together and before it adds this folder to them: it can
mount parts of the folder, which then lie above the whole of it. Init containers have it by then, and lose it.

These are facts of Argo 3.6 to 4.1 (`workflow/controller/workflowpod.go`, `cmd/argoexec/commands/emissary.go`), which
`tests/e2e/test_forgery.py` tries.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.argo import agreed, names
from orchestrator.kit.quantities import parse_size
from orchestrator.workflows import disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hera.workflows import models as m

#: Argo's folder, the volume that it is, and where its own container has the mounts of `main`.
EXECUTOR = str(agreed.EXECUTOR)
_VOLUME = "var-run-argo"
_TEMPORARY = "tmp-dir-argo"
_MIRROR = "/mainctrfs"
_OF_CONTAINERS = agreed.OF_CONTAINERS
_MEBIBYTE = 1024**2
_READ_ONLY = ("argoexec", "template", _OF_CONTAINERS)


def of_scanners(containers: Mapping[str, Sequence[m.VolumeMount]], *, memory: str = "", keeper: bool = True) -> str:
    """The patch of a pod whose containers are scanners, or other strangers, and one that keeps their reports.

    A patch also says in which order containers start. The one that keeps reports is the first, so that it is there
    when the first scanner ends: Argo then tells it to end, and what has only begun to start would not hear that.

    Args:
        containers: their mounts, by their names, in the order in which they are in the pod.
        memory: limit of each, in place of its own.
        keeper: whether there is one that keeps reports.
    """
    patched: list[dict[str, Any]] = [{"name": names.KEEP}] if keeper else []
    if mirrored := containers.get(names.MAIN):
        patched.append(_without(names.WAIT, (_MIRROR + str(mount.mount_path) for mount in mirrored)))
    for name in containers:
        limits = {"resources": {"limits": {"memory": memory}}} if memory else {}
        patched.append({"name": name, "volumeMounts": _guards(name), **limits})
    return _spell({"containers": patched})


def of_every_pod() -> str:
    """The patch of all pods of a Workflow: what Argo keeps in folders that end with the pod has a bound."""
    sized = {"emptyDir": {"sizeLimit": disk.OF_ARGO}}
    return _spell({"volumes": [{"name": name, **sized} for name in (_VOLUME, _TEMPORARY)]})


def of_init_containers(*scanners: str) -> str:
    """The patch of a pod in which scanners run before a step of ours: they get nothing of Argo's folder."""
    return _spell({"initContainers": [_without(name, [EXECUTOR]) for name in scanners]})


def of_step(memory: str) -> str:
    """The patch of a pod that runs a step of ours: the limit of its memory, in place of its own."""
    return _spell({"containers": [{"name": names.MAIN, "resources": {"limits": {"memory": memory}}}]})


def more_memory(limit: str, retries: int) -> str:
    """A limit that gives each further attempt the first one's memory once more; empty without further attempts."""
    mebibytes = max(1, parse_size(limit) // _MEBIBYTE)
    return f"{{{{=(asInt(retries)+1)*{mebibytes}}}}}Mi" if retries else ""


def _guards(container: str) -> list[dict[str, Any]]:
    """What a scanner may not write of Argo's folder, and what it must."""
    closed = [
        {"name": _VOLUME, "mountPath": f"{EXECUTOR}/{name}", "subPath": name, "readOnly": True} for name in _READ_ONLY
    ]
    own = f"{_OF_CONTAINERS}/{container}"
    return [*closed, {"name": _VOLUME, "mountPath": f"{EXECUTOR}/{own}", "subPath": own}]


def _without(container: str, paths: Iterable[str]) -> dict[str, Any]:
    return {"name": container, "volumeMounts": [{"mountPath": path, "$patch": "delete"} for path in paths]}


def _spell(patch: Mapping[str, Any]) -> str:
    return json.dumps(patch, separators=(",", ":"))
