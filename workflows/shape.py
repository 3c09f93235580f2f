"""What tells one matrix from another: which scans, images and repositories its Workflow has, and who plans it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.model import Limits, Scan


@dataclass(frozen=True)
class Shape:
    """What tells one matrix from another.

    Attributes:
        run: id of the run, or the Argo expression for it.
        scans: those that are to run, or may be.
        sets: of names of scans, each of which has a template for the images that want just these.
        others: False when every image wants one of the sets.
        idle: names of tasks left out because they have no image to run.
        again: True when what failed runs once more, in `layout: cell`.
        in_cluster: True when the plan step, and not the Workflow, says which images, scans and shards there are.
        part: number of the part of its run that the Workflow is, such as `001`; empty for a whole run.
        repositories: True when there are source repositories, or may be.
        images: the same of images.
        replaces: True when a run of the schedule stops the older ones.
        readers: names of scans of which cells read stored SBOMs, or may.
    """

    run: str
    scans: tuple[Scan, ...]
    limits: Limits
    sets: tuple[frozenset[str], ...] = ()
    others: bool = True
    idle: frozenset[str] = frozenset()
    again: bool = False
    in_cluster: bool = False
    part: str = ""
    repositories: bool = False
    images: bool = True
    replaces: bool = False
    readers: frozenset[str] = frozenset()
