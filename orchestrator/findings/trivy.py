"""Trivy's JSON report (`trivy --format json`): vulnerabilities, misconfigurations, secrets and licences.

Read are schema 2 (an object with `SchemaVersion` and `ArtifactName`), the list of results that Trivy wrote before 0.20,
and the report of `trivy k8s`. Trivy leaves `Results` out when there was nothing to look at, so only these other keys
prove that an object is a report; an empty list proves nothing and is refused.
"""

import re
from typing import cast

import msgspec

from orchestrator.findings.decoding import decode_json, numbered, other_ids, severity, severity_of, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.model import Cvss, Finding
from orchestrator.model.places import spell_place

name = "trivy"
kinds: tuple[str, ...] = ("vulnerability", "misconfiguration", "secret", "license")

# Results of language packages found one by one carry one of these names in place of a path.
_NOT_A_PATH = frozenset({"Python", "Conda", "Ruby", "Node.js", "Java", "Kubernetes"})
# `ubuntu:20.04 (ubuntu 20.04)`: the result of an operating system's packages, where there is no `Class`.
_SYSTEM = re.compile(r" \([^()]+ [^()]+\)$")


class _Part(msgspec.Struct, gc=False, rename="pascal"):
    """A partial structure of the report; what it does not name is skipped unread."""


class _Rating(_Part):
    v2_vector: str | None = None
    v3_vector: str | None = None
    v40_vector: str | None = None
    v2_score: float | None = None
    v3_score: float | None = None
    v40_score: float | None = None


class _Identifier(_Part):
    purl: str | None = msgspec.field(name="PURL", default=None)


class _Source(_Part):
    id: str | None = msgspec.field(name="ID", default=None)


class _Vulnerability(_Part):
    vulnerability_id: str | None = msgspec.field(name="VulnerabilityID", default=None)
    vendor_ids: list[str] | None = msgspec.field(name="VendorIDs", default=None)
    pkg_name: str | None = None
    pkg_path: str | None = None
    pkg_identifier: _Identifier | None = None
    installed_version: str | None = None
    fixed_version: str | None = None
    severity: str | None = None
    severity_source: str | None = None
    data_source: _Source | None = None
    title: str | None = None
    description: str | None = None
    cvss: dict[str, _Rating] | None = msgspec.field(name="CVSS", default=None)


class _Cause(_Part):
    """Where a check failed; a resource is what a configuration file calls it (`aws_s3_bucket.a`)."""

    resource: str | None = None
    start_line: int | None = None
    end_line: int | None = None


class _Misconfiguration(_Part):
    id: str | None = msgspec.field(name="ID", default=None)
    avd_id: str | None = msgspec.field(name="AVDID", default=None)
    title: str | None = None
    message: str | None = None
    severity: str | None = None
    status: str | None = None
    cause: _Cause | None = msgspec.field(name="CauseMetadata", default=None)


class _Secret(_Part):
    rule_id: str = msgspec.field(name="RuleID")
    title: str | None = None
    severity: str | None = None
    start_line: int = 0
    end_line: int = 0


class _License(_Part):
    name: str
    category: str | None = None
    severity: str | None = None
    pkg_name: str | None = None
    file_path: str | None = None


class _Result(_Part):
    target: str
    class_: str | None = msgspec.field(name="Class", default=None)
    vulnerabilities: list[_Vulnerability] | None = None
    misconfigurations: list[_Misconfiguration] | None = None
    secrets: list[_Secret] | None = None
    licenses: list[_License] | None = None


class _Resource(_Part):
    """A workload in a report of `trivy k8s`."""

    results: list[_Result] | None = None


class _Tool(_Part):
    version: str | None = None


class _Document(_Part):
    schema_version: int | None = None
    artifact_name: str | None = None
    results: list[_Result] | None = None
    trivy: _Tool | None = None
    cluster_name: str | None = None
    resources: list[_Resource] | None = None
    findings: list[_Resource] | None = None
    vulnerabilities: list[_Resource] | None = None
    misconfigurations: list[_Resource] | None = None


_EITHER = cast("type[_Document | list[_Result]]", _Document | list[_Result])


def parse(data: bytes) -> Report:
    """Read a report of Trivy; one finding per vulnerable package, failed check, secret and licence.

    Raises:
        ReportError: it is not a whole Trivy report.
    """
    document = decode_json(data, _EITHER, what="a Trivy report")
    if isinstance(document, list):
        if not document:
            raise ReportError("the report is an empty list: it names nothing that Trivy looked at")
        document = _Document(artifact_name="", results=document)
    elif not _proven(document):
        raise ReportError("the report is not a Trivy report: it has no `SchemaVersion` and `ArtifactName`")
    return Report(
        scanner=name,
        scanner_version=(document.trivy.version if document.trivy else "") or "",
        findings=tuple([finding for result in _results(document) for finding in _findings(result)]),
    )


def _proven(document: _Document) -> bool:
    """Whether an object has what every report of Trivy has."""
    if document.schema_version is not None and (document.artifact_name is not None or document.results):
        return True
    return document.cluster_name is not None or document.resources is not None


def _results(document: _Document) -> list[_Result]:
    """Of `trivy k8s` those of `Resources`, in a summary `Findings`, and two lists apart in its first versions."""
    resources = [*(document.resources or ()), *(document.findings or ())]
    resources += [*(document.vulnerabilities or ()), *(document.misconfigurations or ())]
    return [*(document.results or ()), *(result for resource in resources for result in resource.results or ())]


def _findings(result: _Result) -> list[Finding]:
    path = _path(result)
    found = [_vulnerability(each, path) for each in result.vulnerabilities or ()]
    pinned = [_misconfiguration(each, result.target) for each in result.misconfigurations or () if _failed(each)]
    pinned += [
        Finding(
            id=each.rule_id,
            kind="secret",
            severity=severity(each.severity),
            title=title(each.title, f" (line {each.start_line})" if each.start_line else ""),
            location=result.target,
            place=spell_place("", each.start_line, end=each.end_line),
        )
        for each in result.secrets or ()
    ]
    found += numbered(pinned)
    found += [
        Finding(
            id=each.name,
            kind="license",
            severity=severity(each.severity),
            title=each.category or "",
            package=each.pkg_name or "",
            location=each.file_path or "",
            # The lock file or folder that a package was found by; two of them are two copies of it.
            place="" if each.file_path else spell_place(path),
        )
        for each in result.licenses or ()
    ]
    return found


def _path(result: _Result) -> str:
    """The file a result is about (a lock file, a binary, a jar); none for an operating system's packages."""
    if result.class_ == "os-pkgs" or result.target in _NOT_A_PATH:
        return ""
    return "" if not result.class_ and _SYSTEM.search(result.target) else result.target


def _vulnerability(each: _Vulnerability, path: str) -> Finding:
    if each.vulnerability_id is None and not each.pkg_name:
        raise ReportError(
            "the report is not a Trivy report: a vulnerability has neither `VulnerabilityID` nor `PkgName`"
        )
    own, cvss = "unnamed" if each.vulnerability_id is None else each.vulnerability_id, _cvss(each)
    return Finding(
        id=own,
        kind="vulnerability",
        severity=severity(each.severity) if each.severity else severity_of(cvss),
        aliases=other_ids(set(each.vendor_ids), own) if each.vendor_ids else (),
        title=title(each.title or each.description),
        package=each.pkg_name or "",
        version=each.installed_version or "",
        purl=(each.pkg_identifier.purl if each.pkg_identifier else "") or "",
        location=each.pkg_path or path,
        fixed_version=each.fixed_version or "",
        cvss=cvss,
    )


def _failed(each: _Misconfiguration) -> bool:
    """Trivy lists passed and excepted checks too when asked for them."""
    return (each.status or "FAIL").upper() == "FAIL"


def _misconfiguration(each: _Misconfiguration, target: str) -> Finding:
    own, cause = each.id or each.avd_id or "", each.cause or _Cause()
    return Finding(
        id=own,
        kind="misconfiguration",
        severity=severity(each.severity),
        aliases=other_ids({each.avd_id or ""}, own),
        title=title(each.title or each.message),
        location=target,
        place=spell_place(cause.resource or each.message, cause.start_line, end=cause.end_line),
    )


def _cvss(each: _Vulnerability) -> Cvss | None:
    """The rating of the highest CVSS version, of the source that the severity comes from before others."""
    if not each.cvss:
        return None
    preferred = (each.severity_source, each.data_source.id if each.data_source else None, "nvd", "ghsa")
    sources = [source for source in preferred if source in each.cvss]
    ratings = [each.cvss[source] for source in (*sources, *sorted(each.cvss)) if source]
    for rating in ratings:
        if rating.v40_score:
            return Cvss(score=rating.v40_score, version="4.0", vector=rating.v40_vector or "")
    for rating in ratings:
        if rating.v3_score:
            vector = rating.v3_vector or ""
            version = vector[5:8] if vector.startswith("CVSS:3.") else "3"
            return Cvss(score=rating.v3_score, version=version, vector=vector)
    for rating in ratings:
        if rating.v2_score:
            return Cvss(score=rating.v2_score, version="2.0", vector=rating.v2_vector or "")
    return None
