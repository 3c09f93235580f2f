"""The words of the project as frozen types; no I/O, nothing of ours imported.

Everything that passes from one room to the next is one of these, and everything that is written as JSON
(plan, ledger, cell records) is one of these encoded by `orchestrator.documents`, so a document read back
is validated against the types here.
"""

from enum import StrEnum
from functools import cached_property

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all frozen types: immutable, named fields only, unknown fields refused when read."""


class Platform(Document, frozen=True):
    """What an image runs on, in the words of the OCI image index (os, architecture, variant)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Blob(Document, frozen=True):
    """A content descriptor of the OCI image specification: what to fetch and how to prove it.

    Attributes:
        digest: `<algorithm>:<hex>` of the bytes as fetched.
        size: length in bytes.
        media_type: the descriptor's media type; tells how a layer is compressed.
    """

    digest: str
    size: int
    media_type: str = ""


class Image(Document, frozen=True):
    """One image of one platform, as its manifest describes it.

    Attributes:
        manifest: the manifest itself.
        config: the image configuration blob.
        layers: the layers in order, the base first; the same blob may occur twice.
    """

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...] = ()
    platform: Platform = Platform()


class Name(Document, frozen=True):
    """One name under which a target is asked for; a target has several when tags share a digest.

    Attributes:
        reference: the normalised reference (`docker.io/library/ubuntu:20.04`), or the path of a local archive.
        owner: who answers for it, from the source of targets.
        labels: whatever else that source says of it (other CSV columns).
    """

    reference: str
    owner: str = ""
    labels: dict[str, str] = {}


class Target(Document, frozen=True):
    """What is scanned: one image of one platform, however many names it has.

    Attributes:
        id: stable across runs; made from the digest, so every name of an image has the same one.
        names: at least one, sorted by reference.
        platform: the platform of this very image.
        digest: digest of the platform's image manifest; empty when the target could not be resolved.
        pull: where the pull step reads it: `http(s)://host[:port]/repository` (already rewritten to the cache),
            or `file:<absolute path>` of an OCI archive, OCI layout folder or `docker save` tar.
        size: bytes of its tarball on the volume; None when unknown (planned offline).
        compressions: how its layers are compressed (`gzip`, `zstd`, `none`); empty when unknown.
        error: why it could not be resolved; its cells are then all failed with this reason.
    """

    id: str
    names: tuple[Name, ...]
    platform: Platform = Platform()
    digest: str = ""
    pull: str = ""
    size: int | None = None
    compressions: tuple[str, ...] = ()
    error: str = ""

    @property
    def reference(self) -> str:
        """The first of its names, for people."""
        return self.names[0].reference


class Resources(Document, frozen=True):
    """CPU and memory of a scanner, as Kubernetes quantities."""

    cpu: str = "500m"
    memory: str = "512Mi"
    memory_limit: str = "2Gi"


class Database(Document, frozen=True):
    """A scanner's database, refreshed once per run into a new versioned folder on the volume.

    Attributes:
        refresh: command that fills the folder `{database}`; runs in the scan's own image.
        environment: variables for it; may hold placeholders.
        timeout: seconds.
    """

    refresh: tuple[str, ...]
    environment: dict[str, str] = {}
    timeout: int = 1800


class Scan(Document, frozen=True):
    """One kind of check, defined by one file in `templates/`.

    Attributes:
        name: lower-case DNS label; names the cell, its folder and its task.
        image: scanner image pinned by version or digest.
        command: arguments with the placeholders `{tarball}`, `{report}`, `{database}`, `{workdir}`, and
            `{parameter.<name>}` for the scan's parameters (the catalog fills those in). The first is the program: a
            name on PATH, or an absolute path within the image, whose last part is then the name to look for on PATH.
        format: name of a report format in `orchestrator.findings`.
        report: file name of the report in the cell's folder.
        success_codes: exit codes that mean "the scan ran", findings or not.
        timeout: seconds one attempt may take.
        retries: further attempts after the first.
        platforms: platforms of images it can read (`os` or `os/architecture`); empty means all.
        compressions: layer compressions it can read.
        report_limit: largest report accepted, bytes.
        parameters: defaults of its parameters, overridden in the configuration.
        builtin: True for scans that this project itself implements and that need only the tarball.
        install: how a person gets the scanner onto PATH for the local engine.
        report_from_stdout: True when the scanner prints its report instead of writing the file.
    """

    name: str
    image: str
    command: tuple[str, ...]
    format: str
    description: str = ""
    report: str = "report.json"
    environment: dict[str, str] = {}
    database: Database | None = None
    resources: Resources = Resources()
    success_codes: tuple[int, ...] = (0,)
    timeout: int = 1800
    retries: int = 1
    platforms: tuple[str, ...] = ()
    compressions: tuple[str, ...] = ("gzip", "zstd", "none")
    report_limit: int = 100 * 1024 * 1024
    parameters: dict[str, str] = {}
    builtin: bool = False
    install: str = ""
    report_from_stdout: bool = False


class Decision(StrEnum):
    """What a plan says of a cell before anything runs."""

    RUN = "run"
    SKIP = "skip"
    FAIL = "fail"


class Cell(Document, frozen=True):
    """One target and one scan.

    Attributes:
        target: id of the target.
        scan: name of the scan.
        decision: whether it will run; when it will not, `reason` says why.
    """

    target: str
    scan: str
    decision: Decision = Decision.RUN
    reason: str = ""

    @property
    def id(self) -> str:
        """Stable across runs of the same target digest and scan."""
        return f"{self.target}/{self.scan}"


class Budget(Document, frozen=True):
    """What a plan will cost, known before it starts.

    Attributes:
        images: images to pull (unique digests).
        cells: cells that will run.
        pull_bytes: bytes of unique blobs to read from upstream.
        volume_bytes: peak bytes on the volume: the tarballs of the largest wave.
        spec_bytes: bytes of the largest Argo object of the plan; 0 until rendered.
        pods: pods that Argo would start.
        unknown: images whose size is unknown; the byte figures above leave them out.
    """

    images: int = 0
    cells: int = 0
    pull_bytes: int = 0
    volume_bytes: int = 0
    spec_bytes: int = 0
    pods: int = 0
    unknown: int = 0


class Severity(StrEnum):
    """Severities in ascending order, as CycloneDX names them (`negligible` of Debian and Grype is `info`)."""

    UNKNOWN = "unknown"
    NONE = "none"
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for unknown."""
        return list(Severity).index(self)


class Policy(Document, frozen=True):
    """When a run is good enough.

    Attributes:
        coverage: least percentage of planned cells that end `ok` or `skipped`.
        severity: a finding of this severity or above breaks the policy; None for no such rule.
        warn_only: report a broken rule, but let the run pass.
    """

    coverage: float = 100.0
    severity: Severity | None = None
    warn_only: bool = False


class Limits(Document, frozen=True):
    """Bounds of a run.

    Attributes:
        images_in_flight: images pulled and scanned at the same time.
        cells_in_flight: scanner processes at the same time (local engine).
        cells_per_shard: most cells in one Workflow.
        deadline: seconds a whole run may take.
        retries: further attempts of a pull after the first.
    """

    images_in_flight: int = 4
    cells_in_flight: int = 4
    cells_per_shard: int = 1000
    deadline: int = 6 * 3600
    retries: int = 4


class Plan(Document, frozen=True, dict=True):
    """The cells of one run, the skipped ones with their reasons, and the budget; immutable once written.

    Attributes:
        run: id of the run; lower-case, fit for a file name and a Kubernetes name.
        created: when it was made, RFC 3339 in UTC.
        version: version of scanmatrix that made it.
        scans: the scans that occur in its cells, parameters filled in.
        targets: by id, resolved or not; ids are unique.
        cells: every cell asked for; runs, skips and failures alike, ordered by target then scan.
        waves: ids of the targets to run, in groups that fit the volume one after the other.
        insecure: registry hosts (`host[:port]`) spoken to without TLS verification.
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
    insecure: tuple[str, ...] = ()

    @cached_property
    def targets_by_id(self) -> dict[str, Target]:
        """The targets by their ids; made once, so that looking one up stays cheap in plans of any size."""
        return {target.id: target for target in self.targets}


class CellRecord(Document, frozen=True):
    """What is known of a cell's execution, kept beside (never inside) the folder its scanner can write to.

    Attributes:
        attempts: attempts begun so far.
        started: first attempt's begin, RFC 3339 UTC; empty when never started.
        finished: end of the last attempt; empty while it runs.
        error: why the last attempt failed; empty when it did not.
        exit_code: of the scanner's last attempt; None when it was never started or was killed at its timeout.
        log: last lines the scanner wrote to stderr.
        database_version: of the database folder it was given.
    """

    attempts: int = 0
    started: str = ""
    finished: str = ""
    error: str = ""
    exit_code: int | None = None
    log: str = ""
    database_version: str = ""


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
        outcome: ok, failed or skipped; `reason` says why when it is not ok.
        findings: number of findings in its report; None unless ok.
        components: number of components in its report, nested ones too; None unless ok and a CycloneDX BOM.
        report_digest: `sha256:<hex>` of the report; empty unless ok.
    """

    cell: str
    target: str
    scan: str
    references: tuple[str, ...]
    outcome: Outcome
    reason: str = ""
    digest: str = ""
    platform: str = ""
    owners: tuple[str, ...] = ()
    attempts: int = 0
    started: str = ""
    finished: str = ""
    findings: int | None = None
    components: int | None = None
    scanner: str = ""
    scanner_version: str = ""
    database_version: str = ""
    report_digest: str = ""
    log: str = ""


class Verdict(Document, frozen=True):
    """What the policy says of a run: the rules it broke, in words; none means it passed."""

    passed: bool = True
    broken: tuple[str, ...] = ()


class Ledger(Document, frozen=True):
    """The end of a run: every cell of its plan, exactly once, in the plan's order."""

    run: str
    created: str
    finished: str
    rows: tuple[LedgerRow, ...]
    verdict: Verdict = Verdict()

    def count(self, outcome: Outcome) -> int:
        """Number of cells that ended so."""
        return sum(row.outcome is outcome for row in self.rows)


class Cvss(Document, frozen=True):
    """A CVSS rating: base score 0.0-10.0 and, where given, its version and vector string."""

    score: float
    version: str = ""
    vector: str = ""


class Finding(Document, frozen=True):
    """One normalised fact out of a report.

    Attributes:
        id: as the scanner names it (`CVE-2021-44228`, `Eicar-Test-Signature`, `root-user`).
        kind: `vulnerability`, `malware`, `secret`, `misconfiguration`, `license`, or `check` for built-in scans.
        aliases: other ids of the same thing, sorted, without `id`.
        cvss: the best rating the report gives (highest version, then the vendor's own), if any.
        purl: package URL as the scanner spells it; empty where there is no package.
        location: path in the image (or in the tarball) where it was found; empty when unknown.
        fixed_version: versions that fix it, joined by `, `; empty when there is none.
    """

    id: str
    kind: str
    severity: Severity = Severity.UNKNOWN
    aliases: tuple[str, ...] = ()
    title: str = ""
    package: str = ""
    version: str = ""
    purl: str = ""
    location: str = ""
    fixed_version: str = ""
    cvss: Cvss | None = None
