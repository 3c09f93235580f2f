"""How the cells of a run went, and how they ended."""

from enum import StrEnum

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.image import Name
from orchestrator.model.policy import Broken


class CellRecord(Document, frozen=True):
    """What is known of a cell's execution, kept beside (never inside) the folder its scanner can write to.

    Attributes:
        attempts: attempts begun so far.
        started: first attempt's begin, RFC 3339 UTC; empty when never started.
        finished: end of the last attempt; empty while it runs.
        error: why the last attempt failed; empty when it did not.
        exit_code: of the scanner's last attempt; None when it was never started or was killed at its timeout.
        log: last lines the scanner wrote (locally, to stderr; in the cluster only of one that failed).
        database_version: of the database folder it was given.
        isolation: what its scanner was kept in, on this machine; empty in a cluster, whose pods the plan describes.
        image: image in which its scanner was started, by digest where that is known; empty for a process.
    """

    attempts: int = 0
    started: str = ""
    finished: str = ""
    error: str = ""
    exit_code: int | None = None
    log: str = ""
    database_version: str = ""
    isolation: str = ""
    image: str = ""


class Outcome(StrEnum):
    """How a cell ended; there is no fourth way."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class LedgerRow(Document, frozen=True):
    """One record per cell of a run.

    Attributes:
        cell: id of the cell.
        references: every name of its target.
        owners: who answers for it, one per name, duplicates and blanks left out.
        workloads: what runs it in clusters, `<cluster>/<namespace>/<kind>/<name>`; `Ledger.names` has all of each.
        indexes: digests of the indexes that led to its image, as in `Target.indexes`.
        outcome: ok, failed or skipped; `reason` says why when it is not ok.
        standing: of a skipped cell, the run whose result of it is still fresh; empty for none.
        findings: number of findings in its report; None unless ok.
        components: number of components in its report, nested ones too; None unless ok and a CycloneDX BOM.
        database_age: seconds from the refresh of its database to its report (without a report, to the end of its last
            attempt); None without a database, or when that is not known.
        report_digest: `sha256:<hex>` of the report; empty unless ok.
        scanner_image: image in which its scanner ran, by digest where that is known; empty for a process.
        suspect: why its result is not believed, although it ended ok: its scanner, or this version of it, is not
            trusted any more. Worked out whenever the ledger is read; empty for a result that is believed.
        note: what else to know of it, whatever its outcome: that its database was stale.
        isolation: what its scanner was kept in (local engine), in words; empty where pods are.
    """

    cell: str
    target: str
    scan: str
    references: tuple[str, ...]
    outcome: Outcome
    reason: str = ""
    standing: str = ""
    digest: str = ""
    platform: str = ""
    indexes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    attempts: int = 0
    started: str = ""
    finished: str = ""
    findings: int | None = None
    components: int | None = None
    scanner: str = ""
    scanner_version: str = ""
    database_version: str = ""
    database_age: int | None = None
    report_digest: str = ""
    log: str = ""
    note: str = ""
    isolation: str = ""
    scanner_image: str = ""
    suspect: str = ""
    workloads: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it ended ok, and is believed."""
        return self.outcome is Outcome.OK and not self.suspect


class Verdict(Document, frozen=True):
    """What the policy says of a run; no broken rule means it passed.

    Attributes:
        passed: whether the run is good enough; also with broken rules, where the policy only warns.
        broken: the rules it broke, in words, in the policy's order.
        rules: the same rules, with the rows that broke them.
    """

    passed: bool = True
    broken: tuple[str, ...] = ()
    rules: tuple[Broken, ...] = ()


class Ledger(Document, frozen=True):
    """The end of a run: every cell of its plan, exactly once, in the plan's order.

    Attributes:
        partial: as the plan says.
        names: every name of each target by its id, as the plan has them: whose it is, where it runs, who asked for
            something else than the others.
    """

    run: str
    created: str
    finished: str
    rows: tuple[LedgerRow, ...]
    verdict: Verdict = Verdict()
    partial: bool = False
    names: dict[str, tuple[Name, ...]] = msgspec.field(default_factory=dict)

    def count(self, outcome: Outcome) -> int:
        """Number of cells that ended so."""
        return sum(row.outcome is outcome for row in self.rows)
