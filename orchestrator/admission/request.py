"""What asks to run, in terms that scans, tasks and plugins share."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from orchestrator.admission.fields import containers_of, risky_fields
from orchestrator.config.admission import RiskyField
from orchestrator.model.base import Document

AskerKind: TypeAlias = Literal["scan", "task", "plugin"]


class AskedRoom(Document, frozen=True):
    """What one container may take at most, as Kubernetes quantities; empty where nothing bounds it.

    Attributes:
        cpu: the larger one of what it asks for and its limit; empty where it names neither.
        memory: its limit.
        ephemeral_storage: its limit on the disk of the node.
    """

    cpu: str = ""
    memory: str = ""
    ephemeral_storage: str = ""


class AdmissionRequest(Document, frozen=True):
    """One container that somebody wants to run.

    Attributes:
        what: it is, for messages: `scan general`, `task 2 (load) of action deploy`.
        image: that it would be started from.
        where: it was written, `file:line`; empty for nowhere in particular.
        kind: who asks.
        named: the image as it was written, where `image` is its digest by `scanmatrix.lock`; else empty.
        own: whether it is our own image: only its namespace and its account are judged.
        risky: fields that can be forbidden.
        rooms: what each container may take; none where that is not known, as on this machine.
        empty_dirs: sizes of its `emptyDir` volumes; empty for one without.
        service_account: that it runs as; empty for the cluster's default one.
        namespace: that it runs in; empty where there is none, as on this machine.
    """

    what: str
    image: str
    where: str = ""
    kind: AskerKind = "task"
    named: str = ""
    own: bool = False
    risky: tuple[RiskyField, ...] = ()
    rooms: tuple[AskedRoom, ...] = ()
    empty_dirs: tuple[str, ...] = ()
    service_account: str = ""
    namespace: str = ""

    def of_pod(self, pod: Mapping[str, Any]) -> "AdmissionRequest":
        """The same, with what a pod's `spec` asks of the cluster: fields, room, volumes, account.

        Args:
            pod: as it will be submitted, so that nothing is judged that is not what runs.
        """
        volumes: Iterable[Mapping[str, Any]] = pod.get("volumes") or ()
        return msgspec.structs.replace(
            self,
            risky=risky_fields(pod),
            rooms=tuple(map(_room, containers_of(pod))),
            empty_dirs=tuple(
                str((volume["emptyDir"] or {}).get("sizeLimit", "")) for volume in volumes if "emptyDir" in volume
            ),
            service_account=str(pod.get("serviceAccountName") or ""),
        )


def _room(container: Mapping[str, Any]) -> AskedRoom:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return AskedRoom(
        cpu=str(limits.get("cpu") or requests.get("cpu") or ""),
        memory=str(limits.get("memory", "")),
        ephemeral_storage=str(limits.get("ephemeral-storage", "")),
    )
