"""The store's errors, and what its questions are answered with."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import NamedTuple

from orchestrator.errors import PermanentError, TemporaryError, UsageError
from orchestrator.model import BomSource, Document, MergedFinding, Name, Outcome
from orchestrator.model.base import SCHEMA_VERSION


class StoreError(PermanentError):
    """The database refused what it was asked; the message has its words."""


class StoreUrlError(UsageError):
    """The URL of the database cannot be used, or the driver for it is not installed."""


class SchemaError(StoreError):
    """The tables are of another version of this program; the message says which of both to bring up to date."""


class DamagedRunError(PermanentError):
    """A run's files on the volume cannot be believed; nothing of the cell they concern was imported."""


class StoreGoneError(TemporaryError):
    """The database does not answer, or went away; what was committed stays, and the rest lies on the volume."""


class StoreSlowError(TemporaryError):
    """A question took longer than its deadline; nothing is wrong with the database."""


class Version(NamedTuple):
    """What made a result: versions of the scanner and of its database, as the ledger has them."""

    scanner: str
    database: str


class TakenIn(Document, frozen=True):
    """What importing one run changed.

    Attributes:
        cells: cells written; those that the store had already are not counted.
        findings: findings read of these cells.
        opened: findings seen for the first time, or again after they had been gone.
        closed: findings found gone.
        known: True when the store had the whole run, and nothing was read beyond its ledger.
    """

    run: str
    cells: int = 0
    findings: int = 0
    opened: int = 0
    closed: int = 0
    known: bool = False


class TakenInAll(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """What importing a whole volume came to.

    Attributes:
        runs: those that the store lacked, oldest first.
        known: number of runs it had.
        damaged: by run, why it could not be imported.
    """

    runs: tuple[TakenIn, ...] = ()
    known: int = 0
    damaged: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it


class Pruned(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """How many rows of each kind were deleted."""

    findings: int = 0
    cells: int = 0
    runs: int = 0
    states: int = 0
    targets: int = 0
    facts: int = 0


class Stale(Document, frozen=True):
    """A target and scan that should be scanned again.

    Attributes:
        reference: the first of the target's names.
        why: `never` ended ok, `suspect` where that result is not believed, `old`, `question`: the scan asks something
            else now, or `version`: its scanner or database is another than the scan has now.
        scanned: when it last ended ok; None for never.
        outcome: of the last attempt; None when there was none yet.
        failures: how many attempts have failed since then.
    """

    target: str
    scan: str
    reference: str
    why: str
    scanned: datetime | None = None
    outcome: Outcome | None = None
    reason: str = ""
    failures: int = 0


class Use(Document, frozen=True):
    """Where a workload runs a target, and who answers for it."""

    cluster: str
    namespace: str
    kind: str
    name: str
    container: str
    owner: str = ""
    contact: str = ""


class Holder(Document, frozen=True, gc=False):
    """A merged finding that a target has now.

    Attributes:
        target: its id.
        references: the names that mean it, in alphabetical order.
        owners: who answers for these.
        digest: of its manifest; `indexes` those of the indexes that led to it.
        run: the run that says so.
        finding: what it has, suppressed or not, as that run merged and judged it.
        since: since when it is known under a name of the target.
        uses: workloads that ran the target when the cluster was last looked at.
        suspect: where none of the scans that found it is believed any more: each with the reason.
    """

    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    digest: str
    platform: str
    run: str
    finding: MergedFinding
    since: datetime
    indexes: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    suspect: str = ""


class Holders(Document, frozen=True):
    """Who has something: how many pairs of finding and target there are, and the first of them, the worst first."""

    total: int
    rows: tuple[Holder, ...]


class FoundNow(Document, frozen=True, gc=False):
    """A merged finding of one target; `gone` says when a scan first missed it, None while it is there."""

    finding: MergedFinding
    since: datetime
    gone: datetime | None = None


class ScanState(Document, frozen=True):
    """How one scan of a target stands.

    Attributes:
        run: of the newest cell, which ended with this outcome and reason.
        at: when that was; None when the plan's run is not over.
        scanned: when it last ended ok; None for never.
        failures: how many attempts have failed since then.
        findings: of the last ok cell; equal ones are counted once.
        scanner_image: image in which the scanner of the last ok cell ran; empty for a process.
        suspect: why that cell's result is not believed; empty when it is.
        source: the stored bill of materials that that cell was matched from; None when it was scanned from the image.
        put_by: who put that cell's report on the volume; empty for a scan that ran here.
    """

    scan: str
    run: str
    at: datetime | None
    outcome: Outcome | None
    reason: str
    scanned: datetime | None
    failures: int
    findings: int
    scanner: str
    version: Version
    report_digest: str
    scanner_image: str = ""
    suspect: str = ""
    source: BomSource | None = None
    put_by: str = ""


class TargetView(Document, frozen=True):
    """One target: its names, how each scan of it stands, and what they found.

    Attributes:
        names: every name with its owner and labels, several of one reference where several say something of it.
    """

    target: str
    digest: str
    platform: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    states: tuple[ScanState, ...]
    findings: tuple[FoundNow, ...]
    uses: tuple[Use, ...] = ()
    names: tuple[Name, ...] = ()


class StateCount(Document, frozen=True):
    """Number of targets whose scan stands so.

    Attributes:
        outcome: of the newest cell; None when there is none yet.
        freshness: `never` ended ok, `suspect` where its result is not believed, else `stale` or `fresh` by age alone.
    """

    scan: str
    outcome: Outcome | None
    freshness: str
    targets: int


class Unscanned(Document, frozen=True):
    """A target and scan that no run has had since; what it last found may still be there."""

    target: str
    reference: str
    scan: str
    last: datetime
    findings: int


class Container(Document, frozen=True):
    """A container of a workload, and the target it runs."""

    name: str
    target: str


class StoredWorkload(Document, frozen=True):
    """A workload as an inventory of a cluster finds it.

    Attributes:
        max_lifetime: seconds its images may be old; None for no limit.
    """

    cluster: str
    namespace: str
    kind: str
    name: str
    owner: str = ""
    contact: str = ""
    max_lifetime: int | None = None
    containers: tuple[Container, ...] = ()
