"""One result of Trivy's JSON report, of one file, system or workload: its findings, those it suppressed too."""

import msgspec

from orchestrator.findings.decoding import by_scanner, decode_json, numbered, other_ids, severity, severity_of, title
from orchestrator.findings.interface import ReportError
from orchestrator.findings.trivy_targets import path_of
from orchestrator.model import Cvss, Finding
from orchestrator.model.places import spell_place


class TrivyPart(msgspec.Struct, gc=False, rename="pascal"):
    """A partial structure of the report; what it does not name is skipped unread."""


class _Rating(TrivyPart):
    v2_vector: str | None = None
    v3_vector: str | None = None
    v40_vector: str | None = None
    v2_score: float | None = None
    v3_score: float | None = None
    v40_score: float | None = None


class _Identifier(TrivyPart):
    purl: str | None = msgspec.field(name="PURL", default=None)


class _Source(TrivyPart):
    id: str | None = msgspec.field(name="ID", default=None)


class _Vulnerability(TrivyPart):
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


class _Cause(TrivyPart):
    """Where a check failed; a resource is what a configuration file calls it (`aws_s3_bucket.a`)."""

    resource: str | None = None
    start_line: int | None = None
    end_line: int | None = None


class _Misconfiguration(TrivyPart):
    id: str | None = msgspec.field(name="ID", default=None)
    avd_id: str | None = msgspec.field(name="AVDID", default=None)
    title: str | None = None
    message: str | None = None
    severity: str | None = None
    status: str | None = None
    cause: _Cause | None = msgspec.field(name="CauseMetadata", default=None)


class _Secret(TrivyPart):
    rule_id: str = msgspec.field(name="RuleID")
    title: str | None = None
    severity: str | None = None
    start_line: int = 0
    end_line: int = 0


class _License(TrivyPart):
    name: str
    category: str | None = None
    severity: str | None = None
    pkg_name: str | None = None
    file_path: str | None = None


class _Modified(TrivyPart):
    """A finding that something of Trivy's changed, `.trivyignore` or VEX (`pkg/types/finding.go`)."""

    type: str
    finding: msgspec.Raw
    status: str | None = None
    statement: str | None = None
    source: str | None = None


class TrivyResult(TrivyPart):
    """What Trivy found in one target of the report."""

    target: str
    class_: str | None = msgspec.field(name="Class", default=None)
    vulnerabilities: list[_Vulnerability] | None = None
    misconfigurations: list[_Misconfiguration] | None = None
    secrets: list[_Secret] | None = None
    licenses: list[_License] | None = None
    modified: list[_Modified] | None = msgspec.field(name="ExperimentalModifiedFindings", default=None)


def findings_of(result: TrivyResult) -> list[Finding]:
    """Everything that a result reports, and what of it Trivy itself suppressed.

    Raises:
        ReportError: a part of it is not of a Trivy report.
    """
    found = _reported(result)
    excepted = [each for each in result.misconfigurations or () if (each.status or "").upper() == "EXCEPTION"]
    found += [
        msgspec.structs.replace(
            _misconfiguration(each, result.target), suppressed=by_scanner("an exception of its policies", each.message)
        )
        for each in excepted
    ]
    for each in result.modified or ():
        found += _of_modified(result, each)
    return found


def _of_modified(result: TrivyResult, each: _Modified) -> list[Finding]:
    """What Trivy suppressed; a status that suppresses nothing (`affected`) leaves it as it was."""
    part = TrivyResult(target=result.target, class_=result.class_)
    data, kind = bytes(each.finding), each.type
    if kind == "vulnerability":
        part.vulnerabilities = [decode_json(data, _Vulnerability, what="a Trivy report")]
    elif kind == "misconfiguration":
        part.misconfigurations = [decode_json(data, _Misconfiguration, what="a Trivy report")]
    elif kind == "secret":
        part.secrets = [decode_json(data, _Secret, what="a Trivy report")]
    elif kind == "license":
        part.licenses = [decode_json(data, _License, what="a Trivy report")]
    if each.status in {"affected", "under_investigation"}:
        return _reported(part)
    vex = each.status if each.status in {"not_affected", "fixed"} else ""
    suppressed = by_scanner(each.source or ("VEX" if vex else "an ignore rule"), each.statement or vex)
    return [msgspec.structs.replace(finding, suppressed=suppressed) for finding in _reported(part)]


def _reported(result: TrivyResult) -> list[Finding]:
    path = path_of(result.target, result.class_)
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
