"""The volume and its claim, for each kind of storage; `pv/README.md` says what each guarantees."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from orchestrator.workflows.install.objects import USER, Manifest, manifest, resources
from orchestrator.workflows.overlays import Overlay

if TYPE_CHECKING:
    from orchestrator.config.loading import Config

_GIBIBYTE = 2**30
#: The Job that hands over the folder of a node, and its claim.
_OWNER = "owner"
#: Folders below `pv/`.
STORAGE = SINGLE_NODE, NFS, ANY_CLASS = "single-node", "nfs", "any-class"


def claim_size(config: Config, *, made: bool) -> str:
    """What the claim asks for, in whole GiB; `volume.size`, where that is set.

    A folder of a node and an export have the room that they have: nobody looks at the size of their volume, and
    Kubernetes lets nobody change it, so no other key may show in it.

    Args:
        config: has the volume's settings.
        made: whether a storage class makes the volume: then the budget of tarballs, a tenth more for reports, and room
            for databases and results.
    """
    needed = config.volume.budget + config.volume.budget // 10 + 20 * _GIBIBYTE if made else _GIBIBYTE
    return f"{-(-(config.volume.size or needed) // _GIBIBYTE)}Gi"


def kind_of(config: Config, overlay: Overlay) -> str:
    """Which folder of `pv/` an overlay takes."""
    if overlay is Overlay.SINGLE_NODE:
        return SINGLE_NODE
    return NFS if config.volume.nfs else ANY_CLASS


def volumes(config: Config) -> dict[str, list[Manifest]]:
    """The objects of each folder below `pv/`."""
    nfs = config.volume.nfs
    server, path = (nfs.server, nfs.path) if nfs else ("nfs.example.org", "/exports/scanmatrix")
    options = ["nfsvers=4.1", "hard", "noatime"]
    in_folder = {"hostPath": {"path": config.volume.host_path, "type": "DirectoryOrCreate"}}
    exported = {"nfs": {"server": server, "path": path}, "mountOptions": options}
    storage_class = config.volume.storage_class
    dynamic = {"storageClassName": storage_class} if storage_class else {}
    return {
        SINGLE_NODE: [_volume(config, **in_folder), _claim(config, **_bound(config)), *_owner(config)],
        NFS: [_volume(config, **exported), _claim(config, **_bound(config))],
        ANY_CLASS: [_claim(config, made=True, **dynamic)],
    }


def _volume(config: Config, **source: Any) -> Manifest:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": claim_size(config, made=False)},
        # What was found stays when the claim goes.
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "claimRef": {"name": config.volume.claim, "namespace": config.argo.namespace},
        **source,
    }
    return manifest("PersistentVolume", _volume_name(config), None, spec=spec)


def _volume_name(config: Config) -> str:
    return f"{config.argo.namespace}-{config.volume.claim}"


def _bound(config: Config) -> Manifest:
    """The one volume, and none that a class would make."""
    return {"storageClassName": "", "volumeName": _volume_name(config)}


def _claim(config: Config, *, made: bool = False, **fields: Any) -> Manifest:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": claim_size(config, made=made)}},
        **fields,
    }
    return manifest("PersistentVolumeClaim", config.volume.claim, config.argo.namespace, spec=spec)


def _owner(config: Config) -> list[Manifest]:
    """Hand the folder of the node to our user, for Kubernetes leaves the owner of a hostPath as it is.

    This takes root, which the namespace of the scans forbids: hence one of its own, where nothing else runs and no
    account may do anything. Even there no pod may name a folder of the node (Pod Security `baseline`): the Job gets it
    as a volume and a claim of its own, which only who installs may make.

    None of them can be changed, so another folder, or another image, is another Job with another name.
    """
    prepare, path = f"{config.argo.namespace}-volume", config.volume.host_path
    name = f"{_OWNER}-{_digest(path)}"
    volume = f"{config.argo.namespace}-{name}"
    space = manifest("Namespace", prepare, None)
    for mode in ("enforce", "audit", "warn"):
        space["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] = "baseline"
    code = f"import os; os.chmod('/volume', 0o2770); os.chown('/volume', {USER}, {USER})"
    container = {
        "name": "owner",
        "image": config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", code],
        "resources": resources("10m", "32Mi", "128Mi"),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "FOWNER", "FSETID"]},
            "readOnlyRootFilesystem": True,
            "runAsUser": 0,
            "runAsGroup": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "volume", "mountPath": "/volume"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": name}}],
    }
    # It goes soon after it is done, so that a later apply runs it again; also when its image never came.
    spec = {
        "activeDeadlineSeconds": 3600,
        "backoffLimit": 20,
        "ttlSecondsAfterFinished": 60,
        "template": {"spec": pod},
    }
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    same = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size = {"storage": "1Gi"}  # which nobody looks at: it is the very folder
    folder = {
        **same,
        "capacity": size,
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"name": name, "namespace": prepare},
        "hostPath": {"path": path, "type": "DirectoryOrCreate"},
    }
    claim = {**same, "resources": {"requests": size}, "volumeName": volume}
    return [
        space,
        manifest("NetworkPolicy", "default-deny", prepare, api="networking.k8s.io/v1", spec=deny),
        manifest("PersistentVolume", volume, None, spec=folder),
        manifest("PersistentVolumeClaim", name, prepare, spec=claim),
        manifest("Job", f"{_OWNER}-{_digest(json.dumps(spec))}", prepare, api="batch/v1", spec=spec),
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
