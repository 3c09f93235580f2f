"""What is in a namespace, made the same as what its resource asks for; nothing is written where nothing differs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestrator.argo import names
from orchestrator.cluster.errors import ObjectExistsError, ObjectNotFoundError
from orchestrator.cluster.installed import KINDS
from orchestrator.config.resource import API_VERSION, GROUP, KIND
from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.workflows.install.changes import KEPT, Key, key, same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.cluster.namespaced import NamespacedObjects

#: By this everything of ours is found.
_OURS = f"{names.PART_OF}={names.SCANMATRIX}"
#: Kinds that a resource may have; what is left of them is removed, and what happens to them is followed.
MADE = frozenset(KINDS) - KEPT - {
    "ClusterRoleBinding", "HTTPRoute", "HorizontalPodAutoscaler", "Ingress", "Job", "LimitRange", "ResourceQuota",
    "ScaledObject", "Secret", "ServiceMonitor", "TriggerAuthentication", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
#: The controller makes Secrets, for the tokens of executors, and may see none: those that are there stay as they are.
_BLIND = "Secret"
#: Annotation with the digest of an object as it was asked for last.
_DIGEST = f"{GROUP}/digest"


class TakenError(PermanentError):
    """An object of a name that a resource needs belongs to somebody else."""


class NoArgoError(TemporaryError):
    """The cluster does not know the kinds of Argo Workflows, yet."""


class Applied(NamedTuple):
    """What was written.

    Attributes:
        changed: objects that were made, or differed.
        removed: objects that are no longer asked for.
    """

    changed: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()


class Applier:
    """Remembers what it has seen to be right, so that a value that Kubernetes spells in another way is written once."""

    def __init__(self) -> None:
        self._right: defaultdict[str, dict[Key, tuple[str, bytes]]] = defaultdict(dict)

    def apply(
        self, there: NamespacedObjects, resource: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]
    ) -> Applied:
        """Make what is there the same as what is asked for.

        Raises:
            TakenError: an object belongs to somebody else; nothing was written.
            NoArgoError: the cluster has no Argo.
            RejectedError: the API server does not take an object.
        """
        owner = owner_of(resource)
        wanted = [_owned(one, owner) for one in objects]
        try:
            live = {key(one): one for one in there.labelled(_OURS, MADE)}
        except ObjectNotFoundError as error:
            raise NoArgoError(f"this cluster has no Argo Workflows: {error}") from error
        _refuse(there, wanted, live, owner["uid"])
        changed = [key(one) for one in wanted if self._write(there, one, live.get(key(one)), owner["uid"])]
        kept = {key(one) for one in wanted}
        removed = [each for each, one in live.items() if each not in kept and _owner_uid(one) == owner["uid"]]
        for each in removed:
            there.delete(each.kind, each.name)
        return Applied(tuple(changed), tuple(removed))

    def wrote(self, uid: str, version: str) -> bool:
        """Whether an object of a resource has this version because of us."""
        return any(version == ours for ours, _ in list(self._right.get(uid, {}).values()))

    def forget(self, uid: str) -> None:
        """Let go of what is remembered of a resource."""
        self._right.pop(uid, None)

    def _write(self, there: NamespacedObjects, one: dict[str, Any], old: Mapping[str, Any] | None, uid: str) -> bool:
        if one["kind"] == _BLIND:
            return _make_blindly(there, one)
        right, mark, digest = self._right[uid], key(one), _digest(one)
        if old is not None:
            version = old["metadata"]["resourceVersion"]
            if right.get(mark) == (version, digest) or same(dict(old), one):
                return False
        version = there.apply(one)
        right[mark] = version, digest
        return old is None or version != old["metadata"]["resourceVersion"]


def _make_blindly(there: NamespacedObjects, one: Mapping[str, Any]) -> bool:
    """Make what may not be looked at; where it is there, this is refused and nothing is written."""
    try:
        there.create(one)
    except ObjectExistsError:
        return False
    return True


def _digest(one: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(msgspec.json.encode(one)).digest()


def ensure_claim(there: NamespacedObjects, claim: Mapping[str, Any]) -> str:
    """Make the claim of the volume where there is none, and leave it alone otherwise; its phase.

    It belongs to nobody: what was found stays when the resource goes.
    """
    found = there.one("PersistentVolumeClaim", claim["metadata"]["name"])
    if found is None:
        try:
            there.create(claim)
        except ObjectExistsError:
            return ensure_claim(there, claim)
        return "Pending"
    return str((found.get("status") or {}).get("phase", ""))


def owner_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource as the owner of what is made for it: with it, all of that goes."""
    metadata = resource["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _owned(one: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    """An object of the resource, with its own digest: by that, a key that it no longer has is a difference, too."""
    metadata = {
        **one["metadata"],
        "annotations": {**one["metadata"].get("annotations", {}), _DIGEST: _digest(one).hex()[:16]},
        "ownerReferences": [dict(owner)],
    }
    return {**one, "metadata": metadata}


def _owner_uid(one: Mapping[str, Any]) -> str:
    owners = one["metadata"].get("ownerReferences") or ()
    return next((str(each["uid"]) for each in owners if each.get("controller")), "")


def _refuse(
    there: NamespacedObjects, wanted: Sequence[dict[str, Any]], live: Mapping[Key, Mapping[str, Any]], uid: str
) -> None:
    """Refuse to change what is not ours, whether it has our label or not.

    Raises:
        TakenError: there is such an object.
    """
    unseen = {one["kind"] for one in wanted if one["kind"] != _BLIND and key(one) not in live}
    # Those without our label; a list of each kind is asked for instead of each object, which are many at first.
    others = {key(one): one for kind in sorted(unseen) for one in there.metadata(kind)}
    taken = []
    for one in wanted:
        found = live.get(key(one)) or others.get(key(one))
        if one["kind"] != _BLIND and found is not None and _owner_uid(found) != uid:
            taken.append(str(key(one)))
    if taken:
        some = ", ".join(taken[:5]) + (f" and {len(taken) - 5} more" if len(taken) > 5 else "")  # noqa: PLR2004
        raise TakenError(
            f"nothing was changed, because these are there and do not belong to this resource: {some}; remove what"
            " an installation or another resource made in this namespace, or use another namespace"
        )
