"""The folders that containers of our pods see: the volume, or a part of it, and what ends with the pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hera.workflows import models as m

from orchestrator.argo import names
from orchestrator.argo.agreed import KEPT, MADE, SBOMS, SCANNED
from orchestrator.argo.commands import TASK_FILES
from orchestrator.volume import layout
from orchestrator.workflows import disk
from orchestrator.workflows.settings import (
    CELL,
    CHECKOUT,
    DATABASE,
    FETCHED,
    LAYERS,
    MAX_AGE,
    SCRATCH,
    SHARED_MEMORY,
    TARBALL,
    Settings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of volumes.
VOLUME_NAME, SECRET_NAME, CONFIG_NAME, GIT_NAME = "volume", "registry", "config", "git"
_SCRATCH_NAME = "scratch"
#: Of a scanner's own folders, the one where it writes its report.
_WRITTEN = "scan"
#: Of those of a command that makes a database, the one where it does.
_MADE = "database"


def volumes(settings: Settings, *, config_map: bool = False) -> list[m.Volume]:
    """The volumes that templates may mount; a pod gets only those it mounts.

    Args:
        settings: of the manifests.
        config_map: whether one reads the configuration.
    """
    found = [
        m.Volume(
            name=VOLUME_NAME,
            persistent_volume_claim=m.PersistentVolumeClaimVolumeSource(claim_name=settings.claim),
        ),
        scratch_volume(settings.scratch),
    ]
    if settings.registry_secret:
        items = [m.KeyToPath(key=".dockerconfigjson", path="config.json")]
        secret = m.SecretVolumeSource(secret_name=settings.registry_secret, items=items)
        found.append(m.Volume(name=SECRET_NAME, secret=secret))
    if config_map:
        source = m.ConfigMapVolumeSource(name=names.CONFIG_MAP, optional=True)
        found.append(m.Volume(name=CONFIG_NAME, config_map=source))
    return found


def git_of_all_hosts(settings: Settings) -> list[m.Volume]:
    """The whole Secret of git: for what plans, which asks every host."""
    if not settings.git_secret:
        return []
    return [m.Volume(name=GIT_NAME, secret=m.SecretVolumeSource(secret_name=settings.git_secret))]


def git_of_one_host(settings: Settings, key: str) -> list[m.Volume]:
    """What of the Secret of git is for one host, and what is for all: the key of SSH, known hosts, authorities.

    Args:
        settings: of the manifests.
        key: of the host, see `orchestrator.git.tokens.secret_key`; or the parameter of Argo that has it.
    """
    if not settings.git_secret:
        return []
    names = (f"{key}.password", f"{key}.username", "ssh-privatekey", "known_hosts", "ca.crt")
    items = [m.KeyToPath(key=name, path=name) for name in names]
    # Optional, which holds for each of the keys: most hosts have none.
    source = m.SecretVolumeSource(secret_name=settings.git_secret, items=items, optional=True)
    return [m.Volume(name=GIT_NAME, secret=source)]


def scratch_volume(size: int) -> m.Volume:
    """What `scratch_mount` mounts.

    Args:
        size: most bytes that may lie there; 0 for no limit.
    """
    return _scratch(_SCRATCH_NAME, size)


def scratch_mount() -> m.VolumeMount:
    """A folder for temporary files of our own containers, which ends with the pod."""
    return m.VolumeMount(name=_SCRATCH_NAME, mount_path=SCRATCH)


def scanner_scratch(container: str, size: int) -> m.Volume:
    """What a scanner writes to, which ends with its pod; no other scanner of the pod reads it.

    Args:
        container: its name.
        size: most bytes that may lie there, its report among them; 0 for no limit.
    """
    return _scratch(names.scratch_of(container), size)


def scan_layers(container: str, size: int) -> m.Volume:
    """The files of an image's layers for one scanner; they are no burden of the shared volume, and end with the pod.

    Args:
        container: its name.
        size: most bytes that may lie there; 0 for no limit.
    """
    return _scratch(names.layers_of(container), size)


def layers_mount(container: str, *, scan: str = "") -> m.VolumeMount:
    """The folder with the files of layers: of the scanner's container read-only, with the scan's name of our own."""
    path = f"{LAYERS}/{scan}" if scan else LAYERS
    return m.VolumeMount(name=names.layers_of(container), mount_path=path, read_only=None if scan else True)


def _scratch(name: str, size: int) -> m.Volume:
    limit = m.Quantity(root=disk.quantity(size)) if size else None
    return m.Volume(name=name, empty_dir=m.EmptyDirVolumeSource(size_limit=limit))


def _scanner_scratch_mounts(name: str) -> list[m.VolumeMount]:
    """Of temporary files, and of shared memory, which all containers of a pod would have in common, in this volume."""
    return [
        m.VolumeMount(name=name, mount_path=SCRATCH, sub_path="tmp"),
        m.VolumeMount(name=name, mount_path=SHARED_MEMORY, sub_path="shm"),
    ]


def cell_mounts(
    container: str,
    folder: str,
    *,
    database: bool,
    checkout: bool = False,
    max_age: bool = False,
    layers: bool = False,
) -> list[m.VolumeMount]:
    """What a scanner sees: of the volume what the stage container made, read-only; what it writes to is its pod's.

    Args:
        container: its name.
        folder: the cell's folder on the volume.
        database: whether its scan has one; it is the link beside the folder.
        checkout: whether it reads the files of a repository.
        max_age: whether it wants to know how old an image may be.
        layers: whether it reads the files of an image's layers, which the stage container put into a folder of the pod.
    """
    staged = {TARBALL: f"{folder}/{layout.TARBALL}"}
    staged |= {MAX_AGE: f"{folder}/{layout.MAX_AGE}"} if max_age else {}
    staged |= {CHECKOUT: f"{folder}/{layout.CHECKOUT}"} if checkout else {}
    staged |= {DATABASE: layout.database_link(folder)} if database else {}
    return [
        m.VolumeMount(name=names.scratch_of(container), mount_path=CELL, sub_path=_WRITTEN),
        *(
            m.VolumeMount(name=VOLUME_NAME, mount_path=place, sub_path=path, read_only=True)
            for place, path in staged.items()
        ),
        *([layers_mount(container)] if layers else []),
        *_scanner_scratch_mounts(names.scratch_of(container)),
    ]


def scan_sboms(container: str, size: int) -> m.Volume:
    """The SBOMs that one scanner reads, and what runs it for each of them; they end with the pod.

    Args:
        container: its name.
        size: most bytes that may lie there.
    """
    return _scratch(names.sboms_of(container), size)


def sboms_mount(container: str, *, read_only: bool | None = True) -> m.VolumeMount:
    """The folder of those SBOMs; None for the step that puts them there."""
    return m.VolumeMount(name=names.sboms_of(container), mount_path=str(SBOMS), read_only=read_only)


def batch_mounts(container: str, folder: str, *, database: bool) -> list[m.VolumeMount]:
    """What a scanner sees that reads a batch of SBOMs: these, its database, and what ends with its pod.

    Args:
        container: its name.
        folder: of the batch on the volume, beside which the link to the database is.
        database: whether its scan has one.
    """
    link = m.VolumeMount(name=VOLUME_NAME, mount_path=DATABASE, sub_path=layout.database_link(folder), read_only=True)
    return [
        m.VolumeMount(name=names.scratch_of(container), mount_path=CELL, sub_path=_WRITTEN),
        sboms_mount(container),
        *([link] if database else []),
        *_scanner_scratch_mounts(names.scratch_of(container)),
    ]


def scanned_mount(container: str) -> m.VolumeMount:
    """What the scanner of a batch writes, for the container that keeps it."""
    return m.VolumeMount(name=names.scratch_of(container), mount_path=str(SCANNED), sub_path=_WRITTEN, read_only=True)


def keeper_mounts(cells: Mapping[str, str]) -> list[m.VolumeMount]:
    """What the container sees that keeps reports: what scanners wrote, read-only, and the folders of their cells.

    Args:
        cells: the cells' folders on the volume, by container.
    """
    scanned = [
        m.VolumeMount(name=names.scratch_of(name), mount_path=f"{SCANNED}/{name}", sub_path=_WRITTEN, read_only=True)
        for name in cells
    ]
    kept = [
        m.VolumeMount(name=VOLUME_NAME, mount_path=f"{KEPT}/{name}", sub_path=folder) for name, folder in cells.items()
    ]
    return [*scanned, *kept]


def task_files(size: int) -> m.Volume:
    """The files of a task, which end with its pod.

    Args:
        size: most bytes that may lie there.
    """
    return _scratch(names.FILES, size)


def task_files_mount() -> m.VolumeMount:
    """Where a task, and what fetches its files, has them."""
    return m.VolumeMount(name=names.FILES, mount_path=str(TASK_FILES))


def task_mounts() -> list[m.VolumeMount]:
    """What a task sees: its files, and what it writes."""
    return [task_files_mount(), *_scanner_scratch_mounts(names.scratch_of(names.MAIN))]


def database_scratch(container: str, size: int) -> m.Volume:
    """What a command that makes a database writes to, which ends with its pod; a step of ours takes the database.

    Args:
        container: its name.
        size: most bytes that may lie there, the database among them; 0 for no limit.
    """
    return _scratch(names.made_by(container), size)


def database_mounts(container: str) -> list[m.VolumeMount]:
    """What such a command sees: the new folder that it fills, and nothing of the volume."""
    name = names.made_by(container)
    return [m.VolumeMount(name=name, mount_path=DATABASE, sub_path=_MADE), *_scanner_scratch_mounts(name)]


def made_mount(container: str, *, read_only: bool | None = True) -> m.VolumeMount:
    """What it made, for the step that puts it onto the volume; None for one that begins it."""
    return m.VolumeMount(name=names.made_by(container), mount_path=str(MADE), sub_path=_MADE, read_only=read_only)


def fetched_mount(folder: str) -> m.VolumeMount:
    """What was fetched, for the command that loads it."""
    return m.VolumeMount(name=VOLUME_NAME, mount_path=FETCHED, sub_path=folder, read_only=True)
