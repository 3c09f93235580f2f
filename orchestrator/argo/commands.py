"""The steps that pods run: one type for each, of which both the rendered command line and its parser are made.

`workflows` writes them into manifests (`orchestrator.argo.command_line.render`), `scanmatrix-step` reads them again
(`orchestrator.argo.command_line.parse`); `orchestrator.argo.arguments` has how a field is written.

A pod imports this before it does anything, so it imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from orchestrator.argo.agreed import (
    EXECUTOR,
    KEPT,
    MOUNT,
    SBOMS,
    SCANNED,
    Only,
    Phase,
)
from orchestrator.argo.arguments import Form, Step, about

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUN = about("id of the run")
_TARGET = about("id of the target")
_SCAN = about("name of the scan")
_LAYERS = about("folder for the files of an image's layers, where a scan reads them", Form.PATH)
_OUTPUTS = about("folder for the Workflow's output parameters", Form.PATH)
_VOLUME = about("where the volume is mounted", Form.PATH, always=True)
_NAMESPACE = about("where the Workflows of the run are")
_WORKFLOW = about("name of this Workflow", joined=True)
_UID = about("uid of this Workflow", joined=True)
_SHARD = about("number of the shard that this Workflow is", joined=True)
_PART = about("number of the part of the plan that this Workflow brought", joined=True)
_BATCH = about("number of the batch", joined=True)
_ONLY = about("to what this Workflow is limited", joined=True, choices=tuple(Only))


@dataclass(frozen=True, kw_only=True)
class PlanStep(Step):
    """Put the plan on the volume, and say what this Workflow does of it."""

    command = "plan"
    run: str = field(default="", metadata=about("id of the run, instead of the plan's own"))
    shard: str = field(default="", metadata=_SHARD)
    only: str = field(default=Only.ALL, metadata=_ONLY)
    config_git: str = field(default="", metadata=about("repository that holds the configuration", joined=True))
    config_ref: str = field(default="HEAD", metadata=about("branch, tag or commit of it", joined=True))
    config: Path | None = field(
        default=None,
        metadata=about("configuration to plan from when there is no packed plan", Form.PATH, joined=True),
    )
    outputs: Path | None = field(default=None, metadata=_OUTPUTS)
    due: Path | None = field(
        default=None,
        metadata=about("file for the names of the scans whose databases are to be refreshed", Form.PATH),
    )
    sets: Mapping[str, frozenset[str]] = field(
        default_factory=dict,
        metadata=about("scans that have a pod for an image: NAME=a,b", Form.SETS, option="set", joined=True),
    )
    scans: Mapping[str, str] = field(
        default_factory=dict,
        metadata=about("digest of a scan that the Workflow runs: SCAN=DIGEST", Form.PAIRS, option="scan", joined=True),
    )
    readers: tuple[str, ...] = field(
        default=(), metadata=about("names of the scans whose batches of stored SBOMs the Workflow runs", Form.NAMES)
    )
    namespace: str = field(default="", metadata=_NAMESPACE)
    workflow: str = field(default="", metadata=_WORKFLOW)
    uid: str = field(default="", metadata=_UID)
    deadline: int = field(default=0, metadata=about("seconds that this Workflow may take", Form.NUMBER))
    #: Argo adds it: the source of a script; it makes no file of one without a source.
    packed: Path | None = field(
        default=None,
        metadata=about("file with the packed plan; may be missing or empty", Form.PATH, positional=True),
    )
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class PullStep(Step):
    """Make sure of a target's tarball on the volume."""

    command = "pull"
    run: str = field(metadata=_RUN)
    target: str = field(metadata=_TARGET)
    stage: tuple[str, ...] = field(
        default=(), metadata=about("names of the scans whose cells to make ready too", Form.NAMES)
    )
    layers: Path | None = field(default=None, metadata=_LAYERS)
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class StageStep(Step):
    """Make a cell's folder ready for its scanner."""

    command = "stage"
    no_pull: bool = field(default=False, metadata=about("read no registry when the tarball is not there", Form.FLAG))
    run: str = field(metadata=_RUN)
    target: str = field(metadata=_TARGET)
    scan: str = field(metadata=_SCAN)
    layers: Path | None = field(default=None, metadata=_LAYERS)
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class StageSbomsStep(Step):
    """Put the stored SBOMs of a batch of cells, and what reads them one after the other, where their scanner runs."""

    command = "stage-sboms"
    run: str = field(metadata=_RUN)
    part: str = field(default="", metadata=_PART)
    scan: str = field(metadata=_SCAN)
    batch: str = field(metadata=_BATCH)
    to: Path = field(default=SBOMS, metadata=about("the folder of the pod", Form.PATH, always=True))
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class KeepSbomsStep(Step):
    """Keep the reports of a batch of cells that read stored SBOMs, and how each of them ended, as soon as it has."""

    command = "keep-sboms"
    run: str = field(metadata=_RUN)
    part: str = field(default="", metadata=_PART)
    scan: str = field(metadata=_SCAN)
    batch: str = field(metadata=_BATCH)
    executor: Path = field(default=EXECUTOR, metadata=about("Argo's own folder", Form.PATH, always=True))
    sboms: Path = field(default=SBOMS, metadata=about("the SBOMs of the batch", Form.PATH, always=True))
    scanned: Path = field(default=SCANNED, metadata=about("what its scanner writes", Form.PATH, always=True))
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class KeepStep(Step):
    """Keep the reports of the scanners beside it: on the volume, in their cells' folders, once they have ended."""

    command = "keep"
    report: Mapping[str, str] = field(
        metadata=about("name of the report that a container writes: CONTAINER=NAME", Form.PAIRS)
    )
    limit: Mapping[str, str] = field(metadata=about("most bytes of it: CONTAINER=BYTES", Form.PAIRS))
    timeout: Mapping[str, str] = field(
        default_factory=dict,
        metadata=about("how long a container may run before it is ended: CONTAINER=SECONDS", Form.PAIRS),
    )
    executor: Path = field(default=EXECUTOR, metadata=about("Argo's own folder", Form.PATH, always=True))
    scanned: Path = field(default=SCANNED, metadata=about("what scanners write, by container", Form.PATH, always=True))
    kept: Path = field(default=KEPT, metadata=about("their cells' folders, by container", Form.PATH, always=True))


@dataclass(frozen=True, kw_only=True)
class DatabaseStep(Step):
    """Fetch a scanner's database, or put what a command of it made onto the volume."""

    command = "database"
    phase: str = field(metadata=about("which part of the refresh", positional=True, choices=tuple(Phase)))
    scan: str = field(metadata=_SCAN)
    key: str = field(metadata=about("distinguishes refreshes at the same time"))
    run: str = field(default="", metadata=about("id of the run, for all but finish"))
    longest: int = field(default=86400, metadata=about("seconds one cell of the scan may take", Form.NUMBER))
    made: Path | None = field(default=None, metadata=about("what the scanner's command makes, in its pod", Form.PATH))
    most: int = field(default=0, metadata=about("most bytes of that; 0 for no limit", Form.NUMBER))
    outputs: Path | None = field(default=None, metadata=_OUTPUTS)
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class CheckStep(Step):
    """Run one built-in scan."""

    command = "check"
    name: str = field(metadata=about("image-lifetime, root-user or distroless", positional=True))
    tarball: Path = field(metadata=about("the image", Form.PATH))
    report: Path = field(metadata=about("where the report goes", Form.PATH))
    max_age: str | None = field(default=None, metadata=about("for image-lifetime: allowed age, such as 180d"))


#: Where a task finds its files.
TASK_FILES = Path("/keptn")


@dataclass(frozen=True, kw_only=True)
class FilesStep(Step):
    """Put the files that a task lists into a folder, out of a git repository."""

    command = "files"
    repository: str = field(metadata=about("URL of the repository", joined=True))
    commit: str = field(metadata=about("full hash of the commit"))
    folders: tuple[str, ...] = field(
        metadata=about("where files are looked for, one after the other", Form.EACH, option="folder", joined=True)
    )
    files: tuple[str, ...] = field(metadata=about("a file or folder", Form.EACH, option="file", joined=True))
    size: int = field(metadata=about("most bytes of all of them", Form.NUMBER))
    retries: int = field(default=4, metadata=about("further attempts when the host does not answer", Form.NUMBER))
    to: Path = field(default=TASK_FILES, metadata=about("where they are written", Form.PATH, always=True))


@dataclass(frozen=True, kw_only=True)
class LeftStep(Step):
    """Say which cells of this Workflow failed, to run them once more."""

    command = "left"
    run: str = field(metadata=_RUN)
    part: str = field(default="", metadata=_PART)
    shard: str = field(default="", metadata=_SHARD)
    only: str = field(default=Only.ALL, metadata=_ONLY)
    sboms: bool = field(default=False, metadata=about("only of cells that read stored SBOMs", Form.FLAG))
    namespace: str = field(default="", metadata=_NAMESPACE)
    workflow: str = field(default="", metadata=_WORKFLOW)
    outputs: Path = field(metadata=_OUTPUTS)
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class EvictStep(Step):
    """Remove the tarballs that nobody needs any more."""

    command = "evict"
    run: str = field(metadata=_RUN)
    shard: str = field(metadata=about("number of the shard that has ended", joined=True))
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class AggregateStep(Step):
    """End the run: ledger, findings, merged BOM, summary."""

    command = "aggregate"
    run: str = field(metadata=_RUN)
    part: str = field(default="", metadata=_PART)
    namespace: str = field(default="", metadata=_NAMESPACE)
    workflow: str = field(default="", metadata=_WORKFLOW)
    uid: str = field(default="", metadata=_UID)
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class BesideStep(Step):
    """Make the folders that a worker, and the scanner beside it, have in their pod and on the volume."""

    command = "beside"
    scan: str = field(metadata=_SCAN)
    worker: str = field(metadata=about("name of the worker"))
    to: Path = field(metadata=about("the folder of the pod", Form.PATH))
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class ResultsStep(Step):
    """Print the results of a run as text."""

    command = "results"
    run: str = field(metadata=_RUN)
    files: tuple[str, ...] = field(
        default=(), metadata=about("only this file; may be given several times", Form.EACH, option="file")
    )
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class ReapStep(Step):
    """Finish the runs that ended without their last step."""

    command = "reap"
    namespace: str = field(metadata=_NAMESPACE)
    volume: Path = field(default=MOUNT, metadata=_VOLUME)


@dataclass(frozen=True, kw_only=True)
class ReplaceStep(Step):
    """Stop the older runs of the schedule, and wait for their end."""

    command = "replace"
    namespace: str = field(metadata=_NAMESPACE)
    workflow: str = field(metadata=about("name of this Workflow"))
    patience: int = field(default=3600, metadata=about("seconds to wait for their end", Form.NUMBER))


#: Lines that it writes at most, one for each thing, or the kubelet would rotate them away (10 MiB).
MOST_DROPS = 10_000


@dataclass(frozen=True, kw_only=True)
class DropStep(Step):
    """Remove from a cache's folder what is damaged, or what is named."""

    command = "drop"
    folder: Path = field(metadata=about("of the cache", Form.PATH, positional=True))
    digests: tuple[str, ...] = field(default=(), metadata=about("a blob or manifest", Form.EACH, option="digest"))
    repositories: tuple[str, ...] = field(
        default=(), metadata=about("a repository as the cache calls it", Form.EACH, option="repository")
    )


#: Every step; a function that handles each of them is checked for it by mypy.
AnyStep = (
    PlanStep
    | PullStep
    | StageStep
    | StageSbomsStep
    | KeepStep
    | KeepSbomsStep
    | DatabaseStep
    | CheckStep
    | FilesStep
    | LeftStep
    | EvictStep
    | BesideStep
    | AggregateStep
    | ResultsStep
    | ReapStep
    | ReplaceStep
    | DropStep
)
STEPS: tuple[type[AnyStep], ...] = get_args(AnyStep)
