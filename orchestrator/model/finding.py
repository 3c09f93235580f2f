"""Findings, whatever scanner they come from."""

from enum import StrEnum

from orchestrator.model.base import Document

#: What a finding can be.
KINDS = ("vulnerability", "malware", "secret", "misconfiguration", "license", "check")


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
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Cvss(Document, frozen=True, gc=False):
    """A CVSS rating: base score 0.0-10.0 and, where given, its version and vector string."""

    score: float
    version: str = ""
    vector: str = ""


BY_SCANNER = "scanner"
"""The status of what a scanner itself suppressed."""


class Suppressed(Document, frozen=True, gc=False):
    """Why nobody needs to act on a finding.

    Attributes:
        by: the rule (`ignore.yaml:12`), the VEX document, or what of a scanner's own suppressed it.
        reason: in words.
        status: `ignored` for a rule, the VEX status `not_affected` or `fixed` for a document, `BY_SCANNER` for a
            scanner's own.
        until: when it ends, RFC 3339 in UTC; empty when it does not.
        justification: in VEX's words; empty when there is none.
    """

    by: str
    reason: str
    status: str
    until: str = ""
    justification: str = ""


class Finding(Document, frozen=True, gc=False):
    """One normalised fact out of a report.

    Attributes:
        id: as the scanner names it (`CVE-2021-44228`, `Eicar-Test-Signature`, `root-user`).
        kind: one of `KINDS`; `check` is what the built-in scans and Scorecard report.
        aliases: other ids of the same thing, sorted, without `id`.
        cvss: the best rating the report gives (highest version, then the vendor's own), if any.
        purl: package URL as the scanner spells it; empty where there is no package.
        location: path in the image (or in the tarball) where it was found; empty when unknown. It is part of what makes
            a finding the same in the next run, so it never holds what moves (a line, a commit, a temporary folder).
        place: where within `location`, as `orchestrator.model.places` spells it (`line 3`, `aws_s3_bucket.a, line 3`):
            what sets two findings of one id in one location apart. It may move; empty when the scanner does not say. A
            check that names several files is one finding with several places, a line each.
        fixed_version: versions that fix it, of several branches joined by `, `; those of several advisories, which must
            all be reached, by `; `. Empty when there is none.
        suppressed: what of the scanner's own suppressed it (its configuration, its VEX, a comment in the source); None
            for what it reports as something to act on.
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
    place: str = ""
    fixed_version: str = ""
    cvss: Cvss | None = None
    suppressed: Suppressed | None = None
