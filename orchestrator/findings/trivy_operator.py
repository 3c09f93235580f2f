"""Reports of the Trivy operator: custom resources of Kubernetes, as `kubectl get -o json` gives them.

    {"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
     "metadata": {"labels": {"trivy-operator.resource.kind": "ReplicaSet", "trivy-operator.container.name": "web", …}},
     "report": {"artifact": {"repository": "library/nginx", "tag": "1.25"}, "registry": {"server": "index.docker.io"},
                "vulnerabilities": [{"vulnerabilityID": "CVE-…", "resource": "curl", …}]}}

One of them, a list (`kind: List`, `VulnerabilityReportList`, or a JSON array), or lists by the name of the resource.
Format: `pkg/apis/aquasecurity/v1alpha1` of github.com/aquasecurity/trivy-operator. Those of Starboard, which the
operator was before, differ in their labels, and the checks of its first versions stand apart for the pod and for each
container.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from orchestrator.findings.decoding import check_json, decode_json, numbered, severity, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.scores import score_of
from orchestrator.findings.trivy_targets import in_workload, path_of, workload
from orchestrator.model import Cvss, Finding, Severity
from orchestrator.model.places import spell_place

_GROUP = "aquasecurity.github.io"
_LABELS = ("trivy-operator.", "starboard.")
#: Kinds that hold checks, with and without `Cluster` before them.
_CHECKS = frozenset({"ConfigAuditReport", "RbacAssessmentReport", "InfraAssessmentReport"})
# Severities of Polaris, which made the first checks of Starboard.
_STARBOARD = {"danger": Severity.HIGH, "warning": Severity.MEDIUM}
_READ = _CHECKS | {"VulnerabilityReport", "ExposedSecretReport"}
#: Inventories, and summaries of what the other kinds hold in full.
_NOT_READ = frozenset({"SbomReport", "ComplianceReport"})


class _Part(msgspec.Struct, gc=False, rename="camel"):
    """A partial structure of the report; what it does not name is skipped unread."""


class _Metadata(_Part):
    name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Artifact(_Part):
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None


class _Registry(_Part):
    server: str | None = None


class _Scanner(_Part):
    version: str | None = None


class _Vulnerability(_Part):
    vulnerability_id: str = msgspec.field(name="vulnerabilityID")
    resource: str | None = None
    installed_version: str | None = None
    fixed_version: str | None = None
    severity: str | None = None
    title: str | None = None
    target: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    pkg_path: str | None = None
    purl: str | None = msgspec.field(name="packagePURL", default=None)
    score: Any = None


class _Check(_Part):
    check_id: str | None = msgspec.field(name="checkID", default=None)
    id: str | None = None
    title: str | None = None
    message: str | None = None
    severity: str | None = None
    messages: list[str] | None = None
    success: bool = False


class _Secret(_Part):
    rule_id: str = msgspec.field(name="ruleID")
    target: str | None = None
    title: str | None = None
    severity: str | None = None


class _Content(_Part):
    artifact: _Artifact | None = None
    registry: _Registry | None = None
    scanner: _Scanner | None = None
    vulnerabilities: list[_Vulnerability] | None = None
    checks: list[_Check] | None = None
    pod_checks: list[_Check] | None = None
    container_checks: dict[str, list[_Check]] | None = None
    secrets: list[_Secret] | None = None


class _Resource(_Part):
    api_version: str = ""
    kind: str = ""
    metadata: _Metadata | None = None
    report: _Content | None = None


class _Kind(_Part):
    """What says what a document is."""

    api_version: str = ""
    kind: str = ""
    items: list[msgspec.Raw] | None = None


def parse(data: bytes) -> Report | None:
    """Read reports of the operator.

    Returns:
        None when it is something else.

    Raises:
        ReportError: it is of the operator, but not whole, or of kinds that hold no findings.
    """
    if _GROUP.encode() not in data:
        return None
    parts = _parts(data)
    if not parts:
        return None
    kinds = [part.kind.removeprefix("Cluster") for part in parts]
    wanted = [part for part, kind in zip(parts, kinds, strict=True) if kind in _READ]
    unknown = next((kind for kind in kinds if kind not in _READ | _NOT_READ), None)
    if unknown is not None or not wanted:
        raise ReportError(
            f"the report is a {unknown or kinds[0]} of the Trivy operator, which is not read; give it reports of the"
            f" kinds {', '.join(sorted(_READ))}, and an SBOM as CycloneDX"
        )
    versions = [part.report.scanner.version for part in wanted if part.report and part.report.scanner]
    return Report(
        scanner="trivy",
        scanner_version=next(filter(None, versions), ""),
        findings=tuple([finding for part in wanted for finding in _findings(part)]),
    )


def _parts(data: bytes) -> list[_Resource]:
    """The resources of a document; none when it is no document of the operator."""
    what = "a report of the Trivy operator"
    if check_json(data).lstrip()[:1] == b"[":
        items = decode_json(data, list[msgspec.Raw], what=what)
    else:
        kind = decode_json(data, _Kind, what=what)
        if kind.api_version.startswith(f"{_GROUP}/") and kind.items is None:
            return [decode_json(data, _Resource, what=what)]
        if kind.items is None:
            named = decode_json(data, dict[str, msgspec.Raw], what=what)
            lists = [value for key, value in named.items() if key.endswith(f".{_GROUP}")]
            kind.items = [each for part in lists for each in decode_json(bytes(part), list[msgspec.Raw], what=what)]
        items = kind.items
        if kind.api_version.startswith(f"{_GROUP}/"):
            return _of_list(kind, items, what)
    kinds = [decode_json(bytes(each), _Kind, what=what) if bytes(each)[:1] == b"{" else None for each in items]
    # What else `kubectl get` was asked for (Deployments) is passed over; what names no group is damaged.
    groups = [kind.api_version.partition("/")[0] if kind is not None else "" for kind in kinds]
    if _GROUP not in groups:
        return []
    wanted = [each for each, group in zip(items, groups, strict=True) if group in {_GROUP, ""}]
    return [decode_json(bytes(each), _Resource, what=what) for each in wanted]


def _of_list(of: _Kind, items: list[msgspec.Raw], what: str) -> list[_Resource]:
    """The resources of a `VulnerabilityReportList`, which need not say their kind themselves."""
    if not items:
        raise ReportError(f"the report is a {of.kind} of the Trivy operator with nothing in it; it proves no scan")
    parts = [decode_json(bytes(each), _Resource, what=what) for each in items]
    for part in parts:
        part.kind = part.kind or of.kind.removesuffix("List")
    return parts


def _findings(part: _Resource) -> Iterator[Finding]:
    content, metadata = part.report, part.metadata or _Metadata()
    if content is None:
        raise ReportError(f"the {part.kind} {metadata.name or ''} of the Trivy operator has no `report`")
    parts = (content.vulnerabilities, content.checks, content.secrets, content.pod_checks, content.container_checks)
    if all(each is None for each in parts):
        raise ReportError(f"the {part.kind} {metadata.name or ''} of the Trivy operator lists nothing; it is not whole")
    labels = _labels(metadata)
    owner = workload(
        labels.get("resource.namespace") or metadata.namespace,
        labels.get("resource.kind"),
        labels.get("resource.name") or metadata.name,
        labels.get("container.name"),
    )
    image = _image(content)
    found = [_vulnerability(each) for each in content.vulnerabilities or ()]
    checks = [*(content.checks or ()), *(content.pod_checks or ())]
    pinned = [finding for each in checks if not each.success for finding in _check(each)]
    for container, some in (content.container_checks or {}).items():
        found_in = [finding for each in some if not each.success for finding in _check(each)]
        pinned += [msgspec.structs.replace(each, place=f"{container}: {each.place}".strip(": ")) for each in found_in]
    pinned += [
        Finding(
            id=each.rule_id,
            kind="secret",
            severity=severity(each.severity),
            title=title(each.title),
            location=each.target or "",
        )
        for each in content.secrets or ()
    ]
    for finding in [*found, *numbered(pinned)]:
        yield in_workload(finding, owner, image)


def _labels(metadata: _Metadata) -> dict[str, str]:
    """What the operator says of the resource, without the prefix; a name too long for a label is an annotation."""
    said = {**(metadata.annotations or {}), **(metadata.labels or {})}
    return {key[len(prefix) :]: said[key] for prefix in _LABELS for key in said if key.startswith(prefix)}


def _image(content: _Content) -> str:
    """The image as it is pulled: `index.docker.io/library/nginx:1.25`."""
    artifact, server = content.artifact or _Artifact(), content.registry.server if content.registry else ""
    if not artifact.repository:
        return ""
    name = f"{server}/{artifact.repository}" if server else artifact.repository
    return f"{name}:{artifact.tag}" if artifact.tag else f"{name}@{artifact.digest}" if artifact.digest else name


def _vulnerability(each: _Vulnerability) -> Finding:
    score = score_of(each.score)
    return Finding(
        id=each.vulnerability_id,
        kind="vulnerability",
        severity=severity(each.severity),
        title=title(each.title),
        package=each.resource or "",
        version=each.installed_version or "",
        purl=each.purl or "",
        location=each.pkg_path or path_of(each.target or "", each.class_),
        fixed_version=each.fixed_version or "",
        cvss=Cvss(score=score) if score else None,
    )


def _check(each: _Check) -> list[Finding]:
    """One finding for each message: each is about another container, or another part of the resource."""
    common = Finding(
        id=each.check_id or each.id or each.title or "",
        kind="misconfiguration",
        severity=_STARBOARD.get(each.severity or "") or severity(each.severity),
        title=title(each.title or each.message),
    )
    messages = each.messages or [each.message or ""]
    return [msgspec.structs.replace(common, place=spell_place(message)) for message in messages]
