"""Findings, whatever scanner they come from."""

from enum import StrEnum
from typing import Annotated

import msgspec

from orchestrator.model.base import Document, Moment

#: What a finding can be.
KINDS = ("vulnerability", "malware", "secret", "misconfiguration", "license", "check")
#: The kind of what its own scan means by it: no other looks for the same.
OWN_KIND = "check"


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
    """A CVSS rating.

    Attributes:
        score: base score of the best rating, 0.0-10.0.
        version: of that rating; empty where it is not given.
        vector: of that rating; empty where it is not given.
    """

    score: float
    version: str = ""
    vector: str = ""


BY_SCANNER = "scanner"
"""The status of what a scanner itself suppressed."""


class Suppressed(Document, frozen=True, gc=False):
    """Why nobody needs to act on a finding.

    Attributes:
        status: `ignored` by a rule, `not_affected` or `fixed` by a VEX document, `scanner` by the scanners themselves;
            empty where somebody has to act.
        by: the rule (`ignore.yaml:12`), the VEX document, or what of the scanner's own suppressed it.
        reason: why, in words.
        until: when the suppression ends; none where it does not.
        justification: the reason in VEX's words; empty where there is none.
    """

    status: Annotated[str, msgspec.Meta(extra={"column": "suppressed"})]
    by: str
    reason: str
    until: Moment = ""
    justification: Annotated[str, msgspec.Meta(extra={"column": "justification"})] = ""


class Finding(Document, frozen=True, gc=False, kw_only=True):
    """One normalised fact out of a report.

    Attributes:
        id: as the scanner names it (`CVE-2021-44228`, `Eicar-Test-Signature`, `root-user`).
        kind: `vulnerability`, `malware`, `secret`, `misconfiguration`, `license` or `check`; a check is what the
            built-in scans and Scorecard report.
        aliases: other ids of the same thing, sorted, without `id`.
        severity: `unknown` < `none` < `info` < `low` < `medium` < `high` < `critical`.
        cvss: the best rating the report gives (highest version, then the vendor's own), if any.
        title: one line, at most 200 characters.
        package: name of the package; empty where there is none.
        version: installed version of the package.
        purl: package URL as the scanner spells it; empty where there is no package.
        location: path in the image (or in the tarball) where it was found; empty when unknown. It is part of what makes
            a finding the same in the next run, so it never holds what moves (a line, a commit, a temporary folder).
        place: where within `location`: `line 3`, `aws_s3_bucket.a, line 3-5`. It sets two findings of one id in one
            location apart, and may move; empty when the scanner does not say. A check that names several files is one
            finding with several places, a line each.
        fixed_version: versions that fix it, of several branches joined by `, `; those of several advisories, which must
            all be reached, by `; `. Empty when there is none.
        suppressed: what of the scanner's own suppressed it (its configuration, its VEX, a comment in the source); None
            for what it reports as something to act on.
    """

    kind: str
    id: str
    aliases: tuple[str, ...] = ()
    severity: Severity = Severity.UNKNOWN
    cvss: Cvss | None = None
    title: str = ""
    package: str = ""
    version: str = ""
    purl: str = ""
    location: str = ""
    place: str = ""
    fixed_version: str = ""
    # A scanner's own suppression has no end.
    suppressed: Annotated[Suppressed | None, msgspec.Meta(extra={"without": ("until",)})] = None
