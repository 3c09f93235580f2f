"""How the cells of a run went, and how they ended."""

from enum import StrEnum

import msgspec

from orchestrator.model.base import SCHEMA_VERSION, Document, Moment
from orchestrator.model.image import Name
from orchestrator.model.policy import Violation


class BomSource(Document, frozen=True):
    """The stored bill of materials that a result was matched from, where it was not scanned from the image itself.

    Attributes:
        bom: digest of the bill of materials, `sha256:<hex>`, that the result was matched from; empty for one that was
            scanned from the image itself, as those of earlier versions were.
        made: when that bill of materials was made; of one that came with the image, when it was stored.
        cataloguer: who made it, and in which version: `syft 1.18.0`.
        signer: of one that came with the image, who signed it; empty for one that was made here.
    """

    bom: str
    made: Moment = ""
    cataloguer: str = ""
    signer: str = ""

    def __str__(self) -> str:
        if self.signer:
            return f"the SBOM of {self.cataloguer} that came with the image, signed by {self.signer}"
        return f"the SBOM that {self.cataloguer or 'somebody'} made on {self.made or 'an unknown day'}"


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
        source: the stored bill of materials that was matched in place of the image; None when it was scanned itself.
        note: what else there is to know of it: why it was scanned itself although its plan had a stored SBOM for it.
        put_by: who put the report of an external scan into the cell's folder; empty where our own scanner wrote it.
        given_up: whether the cell never started because its target could not be pulled, for good or as often as
            `limits.retries` allows: nothing in this run may pull it again.
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
    source: BomSource | None = None
    note: str = ""
    put_by: str = ""
    given_up: bool = False


class Outcome(StrEnum):
    """How a cell ended; there is no fourth way."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class LedgerRow(Document, frozen=True):
    """One record per cell of a run; its fields, with these texts, are the columns of `docs/results.md`.

    Attributes:
        cell: id of the cell, `<target>/<scan>`.
        target: id of the target.
        scan: name of the scan.
        references: every name of the target.
        outcome: `ok`, `failed` or `skipped`.
        reason: why it is not ok; empty when it is.
        standing: of a skipped cell, the run whose result of it is still fresh; empty for none.
        digest: of the image's manifest; `git:<hash>` of a repository's commit; empty where the target could not be
            resolved.
        platform: `os/architecture[/variant]`; empty for a repository.
        indexes: digests of the indexes that led to the image, the one that `docker pull` prints among them.
        owners: who answers for it, one per name, duplicates and blanks left out.
        attempts: attempts begun.
        started: begin of the first attempt; none when it never started.
        finished: end of the last attempt; where nobody recorded it, when the report was written.
        findings: number of findings in its report, without those that the scanner itself suppressed; none unless ok.
        components: number of components in its report, nested ones too; none unless ok and a CycloneDX BOM.
        scanner: the scanner's own name, lower-case.
        scanner_version: as its report states it.
        database_version: as its report states it, else the folder of the database it was given.
        database_age: seconds from the refresh of its database to its report; without a report, to the end of its last
            attempt; none without a database, or when that is not known.
        report_digest: `sha256:<hex>` of the report; empty unless ok.
        log: last lines of the scanner's log; only where it failed.
        note: what else to know of it, ok or not: `database stale since …` when its database was older than `maxAge`
            allows as the run was planned, and why there was no newer one.
        isolation: what its scanner was kept in, by the local engine: a sandbox, a container, or neither, and which
            limits it had; empty for pods.
        scanner_image: image in which its scanner ran, by digest where that is known; empty for a process on this
            machine.
        suspect: why its result is not believed, although it ended ok (supply-chain.md): its scanner, or this version of
            it, is not trusted any more. Worked out by the rules of today whenever the ledger is read.
        workloads: what runs it in clusters, `<cluster>/<namespace>/<kind>/<name>`; `names` of `ledger.json` has owner
            and labels of each.
        source: the stored bill of materials that it was matched from; None when it was scanned from the image.
        put_by: who put the report of an external scan on the volume; empty for a scan that ran here.
        asked: digest of what was asked of it: the scan's image, command, parameters and database. While another
            question is asked, its result is not fresh; empty in runs of earlier versions, whose age alone counts.
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
    started: Moment = ""
    finished: Moment = ""
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
    source: BomSource | None = None
    put_by: str = ""
    asked: str = ""

    @property
    def holds(self) -> bool:
        """Whether it ended ok, and is believed."""
        return self.outcome is Outcome.OK and not self.suspect

    @property
    def fails(self) -> bool:
        """Whether nothing is known by it: it failed, or what it says is not believed."""
        return self.outcome is Outcome.FAILED or bool(self.suspect)


class Verdict(Document, frozen=True):
    """What the policy says of a run; no broken rule means it passed.

    Attributes:
        passed: whether the run is good enough; also with broken rules, where the policy only warns.
        broken: the rules it broke, in words, in the policy's order.
        rules: the same rules, with the rows that broke them.
        remark: what was not judged at all: that no rule looks at severities, and how many findings of which there are;
            empty when one does, and in runs of earlier versions.
    """

    passed: bool = True
    broken: tuple[str, ...] = ()
    rules: tuple[Violation, ...] = ()
    remark: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rules it broke; of versions that wrote only words, what stands before their colon."""
        return tuple(self.messages)

    @property
    def messages(self) -> dict[str, str]:
        """What is wrong in words, by the name of the rule it broke."""
        if self.rules:
            return {rule.rule: rule.message for rule in self.rules}
        return {message.partition(":")[0]: message for message in self.broken}


class Ledger(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
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
