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
