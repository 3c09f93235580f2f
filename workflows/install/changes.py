"""What installing again does to what an earlier installation made: what it cannot change, and what it leaves behind.

`kubectl apply` changes what Kubernetes lets it change, stops at the first field that it does not, and removes nothing.
So both are found before: in the folder that was written last time, or in the cluster.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.kit.quantities import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.workflows.install.objects import Manifest

#: Fields that Kubernetes never changes, of the kinds that an installation makes.
IMMUTABLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "PersistentVolume": (("spec", "hostPath"), ("spec", "nfs")),
    "PersistentVolumeClaim": (("spec", "accessModes"), ("spec", "storageClassName"), ("spec", "volumeName")),
    "Job": (("spec", "selector"), ("spec", "template")),
    "Deployment": (("spec", "selector"),),
    "StatefulSet": (("spec", "selector"), ("spec", "serviceName"), ("spec", "volumeClaimTemplates")),
    "Service": (("spec", "clusterIP"),),
    "Secret": (("type",),),
    "RoleBinding": (("roleRef",),),
    "ClusterRoleBinding": (("roleRef",),),
}
#: Whose data would go with them, or what is in them, or what other installations use: never removed.
KEPT = frozenset({"ClusterRole", "Namespace", "PersistentVolume", "PersistentVolumeClaim"})
_VOLUMES = frozenset({"PersistentVolume", "PersistentVolumeClaim"})
_SIZE = ("spec", "resources", "requests", "storage")
#: Of an object of which only the metadata was asked for.
_NOTED = frozenset({"apiVersion", "kind", "metadata"})
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Key(NamedTuple):
    """By what an object is the same."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{place}"


def key(one: Manifest) -> Key:
    """By what an object is the same."""
    return Key(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])


def applied(live: Manifest) -> Manifest:
    """An object of the cluster as it was applied: without what others filled in, where kubectl has noted that.

    The size of a claim is the one that it has: who let it grow may not have applied that.
    """
    try:
        found = json.loads(live["metadata"].get("annotations", {}).get(_APPLIED, ""))
        if key(found) != key(live):  # noted of another object, of which this is a copy
            return live
        if found["kind"] == "PersistentVolumeClaim":
            found["spec"]["resources"]["requests"]["storage"] = _field(live, _SIZE)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return live
    return dict(found)


def refusals(before: Iterable[Manifest], after: Iterable[Manifest], *, grows: bool | None = None) -> Iterator[str]:
    """What Kubernetes will not change, a sentence each, with what to do instead.

    Args:
        before: what there is, or what was written before.
        after: what is to be.
        grows: whether the class of the claim lets it grow; None where nobody knows.
    """
    there = {key(one): one for one in before}
    for one in after:
        if (old := there.get(key(one))) is None or old.keys() <= _NOTED:
            continue
        for path in IMMUTABLE.get(one["kind"], ()):
            was, becomes = _field(old, path), _field(one, path)
            if becomes is None and "uid" in old["metadata"]:
                continue  # of the cluster, which fills in what nobody named
            if not same(was, becomes):
                yield f"{key(one)}: {'.'.join(path)} is {_spell(was)} and cannot become {_spell(becomes)}: {_way(one)}"
        if one["kind"] == "PersistentVolumeClaim":
            yield from _size(old, one, grows=grows)


def gone(before: Iterable[Manifest], after: Iterable[Manifest]) -> list[Manifest]:
    """What there is and would no longer be; what belongs to another object goes with that, and is left out."""
    there = {key(one) for one in after}
    return [one for one in before if key(one) not in there and not one["metadata"].get("ownerReferences")]


def _size(old: Manifest, new: Manifest, *, grows: bool | None) -> Iterator[str]:
    was, becomes = str(_field(old, _SIZE)), str(_field(new, _SIZE))
    try:
        more = parse_size(becomes) - parse_size(was)
    except ValueError:  # a quantity as nobody of us writes it: Kubernetes decides
        return
    keep = f"to leave it as it is, set volume.size: {was}"
    if more < 0:
        yield f"{key(new)}: it has {was} and cannot shrink to {becomes}: {keep}"
    elif more > 0 and _field(new, ("spec", "volumeName")):
        yield f"{key(new)}: it has {was} and cannot grow to {becomes}, because no class made its volume: {keep}"
    elif more > 0 and grows is False:
        yield (
            f"{key(new)}: it has {was} and cannot grow to {becomes}, because its storage class does not say"
            f" allowVolumeExpansion: let the class, or {keep}"
        )


def _way(one: Manifest) -> str:
    if one["kind"] in _VOLUMES:
        return (
            "another volume needs a name of its own: set volume.claim to one that is not in use; the volume of now"
            " stays under its name, with all that is on it"
        )
    return f"delete it first, then apply: kubectl {_delete(key(one))}"


def delete_command(found: Iterable[Manifest]) -> list[str]:
    """A command for each object that removes it."""
    return [f"kubectl {_delete(key(one))}" for one in found]


def _delete(one: Key) -> str:
    place = f"-n {one.namespace} " if one.namespace else ""
    return f"{place}delete {one.kind.lower()} {one.name}"


def _field(one: Manifest, path: tuple[str, ...]) -> Any:
    found: Any = one
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def same(was: Any, becomes: Any) -> bool:
    """Whether nothing changes; what Kubernetes filled in, we leave."""
    if becomes in ({}, []):
        return was in (None, {}, [])  # Kubernetes keeps nothing that is empty
    if isinstance(was, dict) and isinstance(becomes, dict):
        return all(same(was.get(name), value) for name, value in becomes.items())
    if isinstance(was, list) and isinstance(becomes, list):
        return len(was) == len(becomes) and all(map(same, was, becomes))
    return bool(was == becomes)


def _spell(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
