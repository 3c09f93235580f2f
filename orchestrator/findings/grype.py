"""Grype's JSON report (`grype -o json`), from 0.7 of 2021 with flat CVSS and fix fields to today's.

A report has `matches` and says who wrote it of what (`descriptor`, `source`); a document without these, and with
nothing found, is damaged, not clean. `ignoredMatches` are what Grype itself suppressed: by rules of its
configuration, VEX documents that it was given, and what distributions say of their packages.
"""

from collections.abc import Sequence

import msgspec

from orchestrator.findings.decoding import by_scanner, decode_json, other_ids, severity, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.model import Cvss, Finding, Suppressed

name = "grype"
kinds: tuple[str, ...] = ("vulnerability",)


class _Part(msgspec.Struct, gc=False, rename="camel"):
    """A partial structure of the report; what it does not name is skipped unread."""


class _Metrics(_Part):
    base_score: float = 0.0


class _Rating(_Part):
    version: str | None = None
    vector: str | None = None
    metrics: _Metrics | None = None
    type: str | None = None


class _FlatRating(_Part):
    """`cvssV2` and `cvssV3` of the first versions."""

    base_score: float = 0.0
    vector: str | None = None


class _Fix(_Part):
    versions: list[str] | None = None


class _Vulnerability(_Part):
    id: str
    severity: str | None = None
    description: str | None = None
    cvss: list[_Rating] | None = None
    cvss_v2: _FlatRating | None = None
    cvss_v3: _FlatRating | None = None
    fix: _Fix | None = None
    fixed_in_version: str | None = None


class _Annotations(_Part):
    evidence: str = ""


class _Location(_Part):
    path: str | None = None
    real_path: str | None = None
    annotations: _Annotations | None = None


class _Artifact(_Part):
    name: str
    version: str | None = None
    purl: str | None = None
    locations: list[_Location | str] | None = None


class _Match(_Part):
    vulnerability: _Vulnerability
    artifact: _Artifact
    related_vulnerabilities: list[_Vulnerability] | None = None


class _Status(_Part):
    built: str | None = None


class _IgnoreRule(msgspec.Struct, gc=False, rename="kebab"):
    """One that applied; its fields are conditions, but for the reason (`grype/presenter/models/ignore.go`)."""

    vulnerability: str | None = None
    reason: str | None = None
    namespace: str | None = None
    fix_state: str | None = None
    match_type: str | None = None
    vex_status: str | None = None
    vex_justification: str | None = None


class _IgnoredMatch(_Match):
    applied_ignore_rules: list[_IgnoreRule] | None = None


class _Database(_Part):
    """`built` lies in `status` since database schema 6."""

    built: str | None = None
    status: _Status | None = None


class _Descriptor(_Part):
    name: str = "grype"
    version: str | None = None
    db: _Database | None = None


class _Document(_Part):
    matches: list[_Match] | None
    ignored_matches: list[_IgnoredMatch] | None = None
    source: _Part | None = None
    descriptor: _Descriptor | None = None


def parse(data: bytes) -> Report:
    """Read a report of Grype; one finding per match, and per match that it ignored.

    Raises:
        ReportError: it is not a whole Grype report.
    """
    document = decode_json(data, _Document, what="a Grype report")
    if document.descriptor is None and document.source is None and not document.matches:
        raise ReportError("the report is not a Grype report: it has neither `descriptor` nor `source`")
    descriptor = document.descriptor or _Descriptor()
    return Report(
        scanner=descriptor.name.lower() or name,
        scanner_version=descriptor.version or "",
        database_version=_built(descriptor.db),
        findings=(
            *map(_finding, document.matches or ()),
            *(_finding(match, _suppressed(match)) for match in document.ignored_matches or ()),
        ),
    )


def _suppressed(match: _IgnoredMatch) -> Suppressed:
    """The first rule that applied and says why, else the first: in VEX's words, its reason, or its conditions."""
    rules = match.applied_ignore_rules or [_IgnoreRule()]
    rule = next((each for each in rules if each.reason or each.vex_status), rules[0])
    conditions = {"fix-state": rule.fix_state, "match-type": rule.match_type, "namespace": rule.namespace}
    named = ", ".join(f"{key} {value}" for key, value in conditions.items() if value)
    if rule.vex_status:
        return by_scanner("a VEX document", rule.reason or rule.vex_status, rule.vex_justification)
    return by_scanner("an ignore rule", rule.reason or named)


def _finding(match: _Match, suppressed: Suppressed | None = None) -> Finding:
    vulnerability, artifact = match.vulnerability, match.artifact
    related = match.related_vulnerabilities or ()
    return Finding(
        id=vulnerability.id,
        kind="vulnerability",
        severity=severity(vulnerability.severity),
        aliases=_aliases(vulnerability.id, related) if related else (),
        title=title(vulnerability.description or next((o.description for o in related if o.description), "")),
        package=artifact.name,
        version=artifact.version or "",
        purl=artifact.purl or "",
        location=_location(artifact.locations),
        fixed_version=_fixed(vulnerability),
        cvss=_cvss(vulnerability) or next(filter(None, map(_cvss, related)), None),
        suppressed=suppressed,
    )


def _aliases(own: str, related: Sequence[_Vulnerability]) -> tuple[str, ...]:
    """Its other ids; most matches are related to the vulnerability that they are of, and to no other."""
    if len(related) == 1 and related[0].id == own:
        return ()
    return other_ids({other.id for other in related}, own)


def _location(locations: list[_Location | str] | None) -> str:
    """The path that proves the package is there: the one marked as primary evidence, else the first."""
    first = ""
    for location in locations or ():
        if isinstance(location, str):
            return first or location
        if location.annotations is not None and location.annotations.evidence == "primary":
            return location.path or location.real_path or ""
        first = first or location.path or location.real_path or ""
    return first


def _fixed(vulnerability: _Vulnerability) -> str:
    if vulnerability.fix is not None:
        return ", ".join(vulnerability.fix.versions or ())
    return vulnerability.fixed_in_version or ""


def _cvss(vulnerability: _Vulnerability) -> Cvss | None:
    """The rating of the highest CVSS version, the primary source's (`type: Primary`) before others."""
    best: tuple[str, bool] = ("", False)
    rating = None
    for candidate in vulnerability.cvss or ():
        order = (candidate.version or "", candidate.type == "Primary")
        if candidate.metrics is not None and (rating is None or order > best):
            best, rating = order, candidate
    if rating is not None and rating.metrics is not None:
        return Cvss(score=rating.metrics.base_score, version=rating.version or "", vector=rating.vector or "")
    if vulnerability.cvss_v3 is not None and vulnerability.cvss_v3.base_score:
        vector = vulnerability.cvss_v3.vector or ""
        version = vector[5:8] if vector.startswith("CVSS:3.") else "3.0"
        return Cvss(score=vulnerability.cvss_v3.base_score, version=version, vector=vector)
    if vulnerability.cvss_v2 is not None:
        return Cvss(score=vulnerability.cvss_v2.base_score, version="2.0", vector=vulnerability.cvss_v2.vector or "")
    return None


def _built(database: _Database | None) -> str:
    if database is None:
        return ""
    return database.built or (database.status.built if database.status else "") or ""
