"""The plan of a run: its cells, and what they cost."""

from collections.abc import Collection
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from orchestrator.model.base import SCHEMA_VERSION, Document
from orchestrator.model.image import Target
from orchestrator.model.ledger import BomSource
from orchestrator.model.policy import Policy
from orchestrator.model.sboms import SbomStorage
from orchestrator.model.scan import Scan
from orchestrator.model.suppression import Suppression
from orchestrator.model.trust import Distrust
from orchestrator.model.written import Written


class Decision(StrEnum):
    """What a plan says of a cell before anything runs.

    Attributes:
        AWAIT: nothing runs; somebody puts the report of an external scan on the volume.
    """

    RUN = "run"
    SKIP = "skip"
    FAIL = "fail"
    AWAIT = "await"


class Cell(Document, frozen=True):
    """One target and one scan.

    Attributes:
        target: id of the target.
        scan: name of the scan.
        decision: whether it will run; when it will not, `reason` says why.
        standing: run whose result of this cell is still fresh, so that it need not run; empty for none.
        online: whether its scanner asks the API of the repository's host, and may use the network for that.
        source: the stored SBOM that is read in place of the image; None where the image itself is scanned.
        unmatched: why the image itself is scanned, where its scan reads SBOMs, too; empty for others.
    """

    target: str
    scan: str
    decision: Decision = Decision.RUN
    reason: str = ""
    standing: str = ""
    online: bool = False
    source: BomSource | None = None
    unmatched: str = ""

    @property
    def id(self) -> str:
        """Stable across runs of the same target digest and scan."""
        return f"{self.target}/{self.scan}"

    @property
    def runs(self) -> bool:
        """Whether its scanner is to run."""
        return self.decision is Decision.RUN


class Budget(Document, frozen=True):
    """What a plan will cost, known before it starts.

    Attributes:
        images: images to pull (unique digests).
        cells: cells that will run.
        matched: those of them that read a stored SBOM in place of the image.
        pull_bytes: bytes of unique blobs to read from upstream.
        volume_bytes: peak bytes on the volume: the tarballs of the batches that run at the same time.
        spec_bytes: bytes of the Workflow that brings the plan to Argo; 0 until rendered, and for other engines.
        pods: pods that Argo starts of a submission when every first attempt succeeds.
        at_once: batches that run at the same time at most.
        unknown: images whose size is unknown; the byte figures above leave them out.
        saved_images: images that are not pulled, because all that is asked of them is answered by stored SBOMs.
        saved_bytes: bytes of their tarballs, as far as they are known.
        saved_pods: pods that their pulls and their cells would have taken.
    """

    images: int = 0
    cells: int = 0
    matched: int = 0
    pull_bytes: int = 0
    volume_bytes: int = 0
    spec_bytes: int = 0
    pods: int = 0
    at_once: int = 1
    unknown: int = 0
    saved_images: int = 0
    saved_bytes: int = 0
    saved_pods: int = 0


#: Most files and folders that a scanner may keep, for a cell or a database: an unpacked image has some hundred
#: thousand, a volume a few million in all.
MOST_FILES = 1_000_000


class Limits(Document, frozen=True):
    """Bounds of a run.

    Attributes:
        images_in_flight: images pulled and scanned at the same time
        cells_in_flight: scanner processes at the same time (local engine)
        cells_per_shard: maximum number of cells in one batch, and so in one Workflow
        shards_in_flight: Workflows of one run at the same time, if it needs several (Argo)
        volume_bytes: most bytes that the run's tarballs may take at once; 0 for no limit.
        cell_disk: most bytes that a scanner may keep on disk for one cell: its working folder, its report and its
            temporary files; one that keeps more is ended, and its cell fails. `0` for no limit. A scan may have less by
            its `scratchLimit`. In a cluster [on its node](workflows.md#disk): on the volume it writes nothing
        database_disk: most bytes that a scanner's own command (`database.load`, `database.refresh`) may keep on disk:
            the database that it makes, and its temporary files; one that keeps more is ended, and the database from
            before stays. `0` for no limit
        deadline: maximum duration of a run
        retries: further attempts in all when a registry, token server, git host, database mirror, export or receiver of
            notifications fails for now; 0 is one attempt. In a cluster also further attempts of a pod of ours that
            Kubernetes or the node ended, see [Attempts and deadlines](workflows.md#attempts-and-deadlines). A scan has
            its own in its template
        repository_size: most bytes that the files of a source repository may have; a larger one fails
        repository_files: most files of one
        repository_time: git may take this long to fetch one
    """

    images_in_flight: Annotated[int, Written(least=1, most=1000)] = 4
    cells_in_flight: Annotated[int, Written(least=1, most=1000)] = 4
    cells_per_shard: Annotated[int, Written(least=1, most=5000)] = 1000
    shards_in_flight: Annotated[int, Written(least=1, most=50)] = 2
    volume_bytes: int = 0
    cell_disk: Annotated[int, Written("size", least=0)] = 20 * 1024**3
    database_disk: Annotated[int, Written("size", least=0)] = 20 * 1024**3
    deadline: Annotated[int, Written("duration", least=1)] = 6 * 3600
    retries: Annotated[int, Written(least=0, most=20)] = 4
    repository_size: Annotated[int, Written("size", least=1)] = 2 * 1024**3
    repository_files: Annotated[int, Written(least=1, most=10_000_000)] = 200_000
    repository_time: Annotated[int, Written("duration", least=1, most=86400)] = 900

    def disk_of(self, scan: Scan) -> int:
        """Bytes that a cell of a scan may keep on disk; 0 for no limit."""
        return min(filter(None, (self.cell_disk, scan.scratch_limit)), default=0)


class ReadBudget(Document, frozen=True):
    """Most that registries may cost us for one thing; defaults are those of looking one image up.

    Attributes:
        requests: to registries, tokens and redirects included
        entries: members of indexes, or names in lists
        bytes: of answers
        seconds: waits for a busy registry included
    """

    requests: Annotated[int, Written(least=1, most=1_000_000)] = 500
    entries: Annotated[int, Written(least=1, most=100_000_000)] = 10_000
    bytes: Annotated[int, Written("size", least=1)] = 64 * 1024**2
    seconds: Annotated[int, Written("duration", least=1, most=86400, key="time")] = 300


#: For the tags of one repository, or the catalogue of one registry.
LISTING_BUDGET = ReadBudget(requests=2000, entries=200_000, seconds=600)
#: For all look-ups, or all lists, of one plan together.
PLANNING_BUDGET = ReadBudget(requests=200_000, entries=5_000_000, bytes=4 * 1024**3, seconds=25 * 60)


class Cache(Document, frozen=True):
    """A pull-through cache that stands for a registry.

    Attributes:
        upstream: the registry that it mirrors: `docker.io`, `ghcr.io`, `registry.example:5000`
        url: `http://host:port` or `https://host:port`, without path and without password. Without it, `scanmatrix
            install` creates the cache, and this is its Service: `http://cache-docker-io:5000`
        path: repository prefix within the cache, for one that serves several upstreams
    """

    upstream: Annotated[str, Written("host")]
    url: Annotated[str, Written("URL")]
    path: str = ""


class Part(Document, frozen=True):
    """Which part of its run a plan is, where a Workflow brings only its own.

    Attributes:
        number: from 1.
        of: how many there are.
    """

    number: int
    of: int


class AskedBy(StrEnum):
    """Who wants a run: what is asked for by hand comes before what events ask for, and that before the schedule.

    Attributes:
        HAND: somebody who may be waiting for it.
        EVENT: an event from outside.
        SCHEDULE: the scheduler.
    """

    HAND = "hand"
    EVENT = "event"
    SCHEDULE = "schedule"


class Plan(Document, frozen=True, dict=True, tag_field=SCHEMA_VERSION, tag=1):
    """The cells of one run, the skipped ones with their reasons, and the budget; immutable once written.

    Attributes:
        run: id of the run; lower-case, fit for a file name and a Kubernetes name.
        created: when it was made, RFC 3339 in UTC.
        version: version of scanmatrix that made it.
        scans: the scans that occur in its cells, parameters filled in.
        targets: by id, resolved or not; ids are unique.
        cells: every cell asked for; runs, skips and failures alike, ordered by target then scan.
        waves: ids of the targets to run, batch by batch; read them by `orchestrator.planning.batches.batches`.
        insecure: registry hosts (`host[:port]`) spoken to without TLS verification.
        partial: whether these are only some of the cells that are wanted, as the scheduler takes them: what is not in
            such a plan is not gone.
        caches: what databases that are images are read through; the targets say themselves where they are read.
        distrusted: what its configuration says of scanners that must not run, or are not believed.
        part: which part of the run's plan this is; None for the whole.
        sboms: how the SBOMs that it makes are stored; None where none are.
        asked_by: who wants it.
    """

    run: str
    created: str
    version: str
    scans: tuple[Scan, ...]
    targets: tuple[Target, ...]
    cells: tuple[Cell, ...]
    waves: tuple[tuple[str, ...], ...] = ()
    budget: Budget = Budget()
    limits: Limits = Limits()
    policy: Policy = Policy()
    suppression: Suppression = Suppression()
    insecure: tuple[str, ...] = ()
    partial: bool = False
    caches: tuple[Cache, ...] = ()
    distrusted: tuple[Distrust, ...] = ()
    part: Part | None = None
    sboms: SbomStorage | None = None
    asked_by: AskedBy = AskedBy.HAND

    @cached_property
    def targets_by_id(self) -> dict[str, Target]:
        """The targets by their ids; made once, so that looking one up stays cheap in plans of any size."""
        return {target.id: target for target in self.targets}

    @cached_property
    def cells_by_target(self) -> dict[str, tuple[Cell, ...]]:
        """The cells of each target, in the plan's order; made once, as `targets_by_id`."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell.target, []).append(cell)
        return {target: tuple(cells) for target, cells in found.items()}

    @cached_property
    def online_cells(self) -> frozenset[tuple[str, str]]:
        """Target id and scan of the cells that ask the API of a repository's host."""
        return frozenset((cell.target, cell.scan) for cell in self.cells if cell.online)


def contradiction(plan: Plan) -> str:
    """What no run could account for, which has every cell in its ledger once, with its target; empty for nothing."""
    scans, targets = {scan.name for scan in plan.scans}, {target.id for target in plan.targets}
    if len(scans) < len(plan.scans) or len(targets) < len(plan.targets):
        return "it has a scan or a target twice"
    for cell in plan.cells:
        if cell.target not in targets:
            return f"it has a cell of target {cell.target}, and no such target"
        if cell.scan not in scans:
            return f"it has a cell of scan {cell.scan}, and no such scan"
    return "it has a cell twice" if len({(cell.target, cell.scan) for cell in plan.cells}) < len(plan.cells) else ""


Pending = dict[str, list[str]]
"""Names of scans to run by the id of their target, both in the plan's order."""


def pending(
    plan: Plan, *, only: Collection[tuple[str, str]] | None = None, unmatched: Collection[tuple[str, str]] = ()
) -> Pending:
    """The cells of a plan that are to run on their target itself, which is pulled for them.

    Args:
        plan: of the run.
        only: target id and scan of the cells to leave it at; None for all.
        unmatched: those of the cells that read stored SBOMs to which theirs was of no use.
    """
    found: Pending = {}
    for cell in plan.cells:
        own = cell.target, cell.scan
        if cell.runs and (cell.source is None or own in unmatched) and (only is None or own in only):
            found.setdefault(cell.target, []).append(cell.scan)
    return found


def matched(plan: Plan) -> tuple[Cell, ...]:
    """The cells of a plan that read a stored SBOM; nothing is pulled for them."""
    return tuple(cell for cell in plan.cells if cell.runs and cell.source is not None)
