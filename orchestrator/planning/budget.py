"""What a plan costs, run the way it will be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.sbom_batches import sbom_batches
from orchestrator.model import Blob, Budget, Image
from orchestrator.model.plan import matched, pending
from orchestrator.planning.batches import at_once, batches, peak_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.model import Plan

# Pods of a run besides pulls, cells and database refreshes: one writes the plan to the volume, one aggregates.
_FIXED_PODS = 2
# Pods of each shard besides: one starts it, one reads the plan, one gives the volume its room back.
_SHARD_PODS = 3


def blobs_of(image: Image) -> tuple[Blob, ...]:
    """Everything a registry sends for an image."""
    return (image.manifest, image.config, *image.layers)


def unique_bytes(images: Iterable[Image]) -> int:
    """Bytes of the distinct blobs of all images: what a pull-through cache reads from upstream."""
    return sum({blob.digest: blob.size for image in images for blob in blobs_of(image)}.values())


def make_budget(
    plan: Plan, *, pull_bytes: int, in_cluster: bool, together: Collection[frozenset[str]] | None = None
) -> Budget:
    """Add up what a plan costs; only what is to run costs anything.

    Args:
        plan: all but its budget.
        pull_bytes: bytes of unique blobs to read from upstream.
        in_cluster: whether Argo runs it, batches as shards; else the local engine, one batch after the other.
        together: sets of scans for which an image has one pod (`layout: image`); None where each cell has its own.
    """
    wanted, found, from_sboms = pending(plan), batches(plan), matched(plan)
    targets = plan.targets_by_id
    spared = {cell.target for cell in from_sboms} - wanted.keys()
    parts = len(sbom_batches(plan)) if in_cluster else 0
    saved = Budget(
        cells=len(from_sboms),
        matched=len(from_sboms),
        saved_images=len(spared),
        saved_bytes=sum(targets[id_].size or 0 for id_ in spared),
        saved_pods=len(spared) + len(from_sboms) - parts,
    )
    if not (wanted or from_sboms):
        return saved
    alone = sum(
        len(scans)
        for id_, scans in wanted.items()
        if together is None or targets[id_].is_repository or frozenset(scans) not in together
    )
    names = {scan for scans in wanted.values() for scan in scans} | {cell.scan for cell in from_sboms}
    refreshes = sum(1 + bool(scan.database.load) for scan in plan.scans if scan.database and scan.name in names)
    shards = len(found) if len(found) > 1 else 0
    return msgspec.structs.replace(
        saved,
        images=len(wanted),
        cells=sum(map(len, wanted.values())) + len(from_sboms),
        pull_bytes=pull_bytes,
        volume_bytes=peak_bytes(plan, found, in_cluster=in_cluster),
        pods=len(wanted) + alone + parts + refreshes + _FIXED_PODS + shards * _SHARD_PODS,
        at_once=max(1, min(at_once(plan, found), len(found))) if in_cluster else 1,
        unknown=sum(targets[id_].size is None for id_ in wanted),
    )
