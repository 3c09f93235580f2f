"""Reports of the Trivy operator: custom resources of Kubernetes, as `kubectl get -o json` gives them.

    {"apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
     "metadata": {"labels": {"trivy-operator.resource.kind": "ReplicaSet", "trivy-operator.container.name": "web", …}},
     "report": {"artifact": {"repository": "library/nginx", "tag": "1.25"}, "registry": {"server": "index.docker.io"},
                "vulnerabilities": [{"vulnerabilityID": "CVE-…", "resource": "curl", …}]}}

One of them, a list (`kind: List`, or a JSON array), or lists by the name of the resource. Format:
`pkg/apis/aquasecurity/v1alpha1` of github.com/aquasecurity/trivy-operator.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from orchestrator.findings.decoding import check_json, decode_json, numbered, severity, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.scores import score_of
from orchestrator.findings.trivy_targets import in_workload, path_of, workload
from orchestrator.model import Cvss, Finding
from orchestrator.model.places import spell_place

_GROUP = "aquasecurity.github.io"
_LABELS = "trivy-operator."
#: Kinds that hold checks, with and without `Cluster` before them.
_CHECKS = frozenset({"ConfigAuditReport", "RbacAssessmentReport", "InfraAssessmentReport"})
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
    title: str | None = None
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
    kinds = [decode_json(bytes(each), _Kind, what=what) if bytes(each)[:1] == b"{" else None for each in items]
    if not any(each is not None and each.api_version.startswith(f"{_GROUP}/") for each in kinds):
        return []
    return [decode_json(bytes(each), _Resource, what=what) for each in items]


def _findings(part: _Resource) -> Iterator[Finding]:
    content, metadata = part.report, part.metadata or _Metadata()
    if content is None:
        raise ReportError(f"the {part.kind} {metadata.name or ''} of the Trivy operator has no `report`")
    # A name that is too long for a label is an annotation.
    labels = {**(metadata.annotations or {}), **(metadata.labels or {})}
    owner = workload(
        labels.get(f"{_LABELS}resource.namespace") or metadata.namespace,
        labels.get(f"{_LABELS}resource.kind"),
        labels.get(f"{_LABELS}resource.name") or metadata.name,
        labels.get(f"{_LABELS}container.name"),
    )
    image = _image(content)
    found = [_vulnerability(each) for each in content.vulnerabilities or ()]
    pinned = [finding for each in content.checks or () if not each.success for finding in _check(each)]
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
        id=each.check_id or each.title or "",
        kind="misconfiguration",
        severity=severity(each.severity),
        title=title(each.title),
    )
    messages = each.messages or [""]
    return [msgspec.structs.replace(common, place=spell_place(message)) for message in messages]
