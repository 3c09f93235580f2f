"""Trivy's JSON report (`trivy --format json`): vulnerabilities, misconfigurations, secrets and licences.

Read are schema 2 (an object with `SchemaVersion` and `ArtifactName`), the list of results that Trivy wrote before 0.20,
the report of `trivy k8s`, and the reports of the Trivy operator (`orchestrator.findings.trivy_operator`). What Trivy
itself suppressed is in the report with `--show-suppressed` (`ExperimentalModifiedFindings`), and says so. Trivy leaves
`Results` out when there was nothing to look at, so only these other keys prove that an object is a report; an empty
list proves nothing and is refused.
"""

from collections.abc import Iterator
from typing import cast

import msgspec

from orchestrator.findings import trivy_operator
from orchestrator.findings.decoding import by_scanner, decode_json, numbered, other_ids, severity, severity_of, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.trivy_targets import image_of, in_workload, path_of, workload
from orchestrator.model import Cvss, Finding
from orchestrator.model.places import spell_place

name = "trivy"
kinds: tuple[str, ...] = ("vulnerability", "misconfiguration", "secret", "license")


_NOT_SCANNED = "resource-not-scanned"


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


class _Modified(_Part):
    """A finding that something of Trivy's changed, `.trivyignore` or VEX (`pkg/types/finding.go`)."""

    type: str
    finding: msgspec.Raw
    status: str | None = None
    statement: str | None = None
    source: str | None = None


class _Result(_Part):
    target: str
    class_: str | None = msgspec.field(name="Class", default=None)
    vulnerabilities: list[_Vulnerability] | None = None
    misconfigurations: list[_Misconfiguration] | None = None
    secrets: list[_Secret] | None = None
    licenses: list[_License] | None = None
    modified: list[_Modified] | None = msgspec.field(name="ExperimentalModifiedFindings", default=None)


class _Metadata(_Part):
    """Of an image."""

    image_id: str | None = msgspec.field(name="ImageID", default=None)
    repo_tags: list[str] | None = None
    repo_digests: list[str] | None = None


class _Resource(_Part):
    """A workload in a report of `trivy k8s`."""

    namespace: str | None = None
    kind: str | None = None
    name: str | None = None
    metadata: list[_Metadata] | _Metadata | None = None
    results: list[_Result] | None = None
    error: str | None = None


class _Tool(_Part):
    version: str | None = None


class _Document(_Part):
    schema_version: int | None = None
    artifact_name: str | None = None
    artifact_type: str | None = None
    results: list[_Result] | None = None
    trivy: _Tool | None = None
    cluster_name: str | None = None
    resources: list[_Resource] | None = None
    findings: list[_Resource] | None = None
    vulnerabilities: list[_Resource] | None = None
    misconfigurations: list[_Resource] | None = None


class _Compliance(_Part):
    """What `trivy --compliance` writes: checks of a benchmark, each with its results, or their numbers alone."""

    id: str = msgspec.field(name="ID")
    title: str
    results: list[msgspec.Raw] | None = None
    summary_controls: list[msgspec.Raw] | None = None


_EITHER = cast("type[_Document | list[_Result]]", _Document | list[_Result])


def parse(data: bytes) -> Report:
    """Read a report of Trivy; one finding per vulnerable package, failed check, secret and licence.

    Raises:
        ReportError: it is not a whole Trivy report.
    """
    if (report := trivy_operator.parse(data)) is not None:
        return report
    try:
        return _of_trivy(decode_json(data, _EITHER, what="a Trivy report"))
    except ReportError as error:
        if _is_compliance(data):
            raise ReportError(
                "the report is a compliance report of Trivy, which says how many checks of a benchmark failed; give it"
                " the report of the same scan without `--compliance`"
            ) from error
        raise


def _is_compliance(data: bytes) -> bool:
    try:
        found = msgspec.json.decode(data, type=_Compliance)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return found.results is not None or found.summary_controls is not None


def _of_trivy(document: _Document | list[_Result]) -> Report:
    if isinstance(document, list):
        if not document:
            raise ReportError("the report is an empty list: it names nothing that Trivy looked at")
        document = _Document(artifact_name="", results=document)
    elif not _proven(document):
        raise ReportError("the report is not a Trivy report: it has no `SchemaVersion` and `ArtifactName`")
    return Report(
        scanner=name,
        scanner_version=(document.trivy.version if document.trivy else "") or "",
        findings=(
            *(_of_image(finding, document) for result in document.results or () for finding in _findings(result)),
            *(finding for resource in _resources(document) for finding in _of_resource(resource)),
        ),
    )


def _of_image(finding: Finding, document: _Document) -> Finding:
    """A finding of an image's own configuration lies in no file: Trivy gives the tag or tarball it was asked for."""
    if document.artifact_type == "container_image" and finding.location == document.artifact_name:
        return msgspec.structs.replace(finding, location="")
    return finding


def _proven(document: _Document) -> bool:
    """Whether an object has what every report of Trivy has."""
    if document.schema_version is not None and (document.artifact_name is not None or document.results):
        return True
    return document.cluster_name is not None or document.resources is not None


def _resources(document: _Document) -> list[_Resource]:
    """Of `trivy k8s` the list `Resources`, in a summary `Findings`, and two lists apart in its first versions."""
    resources = [*(document.resources or ()), *(document.findings or ())]
    return [*resources, *(document.vulnerabilities or ()), *(document.misconfigurations or ())]


def _of_resource(resource: _Resource) -> Iterator[Finding]:
    """The findings of a workload: it is put before the path in the image, and the image names the place.

    What Trivy could not scan is one of them, of unknown severity, because nobody knows what is in it.
    """
    owner = workload(resource.namespace, resource.kind, resource.name)
    if resource.error:
        yield Finding(id=_NOT_SCANNED, kind="misconfiguration", title=title(resource.error), location=owner)
    results = resource.results or []
    # One image alone in earlier versions.
    metadata = [resource.metadata] if isinstance(resource.metadata, _Metadata) else resource.metadata or []
    known = [image for each in metadata if (image := _image(each))]
    systems = [image_of(result.target, result.class_) for result in results]
    # Results of languages stand behind that of the system of their image, where each image has one.
    in_order = len(known) <= sum(map(bool, systems))
    current = "" if in_order and known else ", ".join(known)
    for result, system in zip(results, systems, strict=True):
        current = system if system and in_order else current
        for finding in _findings(result):
            own = finding.kind == "misconfiguration" and finding.location == f"{resource.kind}/{resource.name}"
            path = "" if own else finding.location
            image = system or current if finding.kind != "misconfiguration" else ""
            yield in_workload(msgspec.structs.replace(finding, location=path), owner, image)


def _image(metadata: _Metadata) -> str:
    return next(iter([*(metadata.repo_tags or ()), *(metadata.repo_digests or ())]), metadata.image_id or "")


def _findings(result: _Result) -> list[Finding]:
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


def _of_modified(result: _Result, each: _Modified) -> list[Finding]:
    """What Trivy suppressed; a status that suppresses nothing (`affected`) leaves it as it was."""
    part = _Result(target=result.target, class_=result.class_)
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


def _reported(result: _Result) -> list[Finding]:
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
