"""The section `volume`: the shared volume."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import DnsName, Folder, Name, Size, plain
from orchestrator.config.likely import FOLDER
from orchestrator.config.section import Section, WrongKey


def _path(value: object) -> object:
    if value == "":
        raise ValueError("must not be empty")
    return plain(value) if isinstance(value, str) else value


class Nfs(Section):
    """An export for the volume.

    Attributes:
        server: its server
        path: its path there
    """

    server: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$"), ValueKind("host")]
    path: Annotated[str, StringConstraints(pattern=r"^(/[^/\s]+)+$"), ValueKind("path")]


class VolumeSection(Section):
    """The shared volume.

    Attributes:
        path: its folder, for the local engine
        claim: its PersistentVolumeClaim, for Argo
        budget: maximum size of all tarballs together; 0 for no limit
        over_budget: what happens to a plan over the budget: [batches](planning.md#batches) that fit, or an error with
            the figures
        host_path: folder of the node, for the overlay `single-node` ([install.md](install.md)); in one of
            `hostPathPrefixes`
        host_path_prefixes: folders that `hostPath` may be in; another one is refused, because the installation gives it
            to pods. Links on the node are not checked
        size: what the claim asks for, in whole GiB. By default 1 GiB for `hostPath` and `nfs`, whose size nobody looks
            at; of a storage class the budget, a tenth more, and 20 GiB
        storage_class: of the claim, for the overlay `production`; none for the cluster's default class
        nfs: an NFS export, for the overlay `production`, instead of a class
    """

    path: Annotated[Path, BeforeValidator(_path), ValueKind("path", {"type": "string", "minLength": 1}, spell=str)] = (
        Path(FOLDER)
    )
    claim: Name = "scanmatrix"
    budget: Size = 100 * 1024**3
    over_budget: Literal["split", "refuse"] = "split"
    host_path: Folder = "/var/lib/scanmatrix"
    # Those of the Filesystem Hierarchy Standard 3.0 (3.12, 3.17) for what an administrator puts there.
    host_path_prefixes: Annotated[tuple[Folder, ...], Field(min_length=1)] = ("/var/lib/scanmatrix", "/srv", "/mnt")
    size: Annotated[Size, Field(ge=1)] | None = None
    storage_class: DnsName | None = None
    nfs: Nfs | None = None

    @model_validator(mode="after")
    def _within_a_prefix(self) -> VolumeSection:
        path = PurePosixPath(self.host_path)
        if not any(path.is_relative_to(prefix) for prefix in self.host_path_prefixes):
            raise WrongKey(
                ("hostPath",),
                f"{self.host_path} lies in none of volume.hostPathPrefixes ({', '.join(self.host_path_prefixes)}):"
                " pods would own a folder of the node's own system; choose another, or name its prefix",
            )
        if self.host_path in {"/srv", "/mnt"}:
            raise WrongKey(("hostPath",), f"{self.host_path} is not the scans' alone; take a folder in it")
        return self
