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
from orchestrator.findings.decoding import decode_json, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.trivy_results import TrivyPart, TrivyResult, findings_of
from orchestrator.findings.trivy_targets import image_of, in_workload, workload
from orchestrator.model import Finding

name = "trivy"
kinds: tuple[str, ...] = ("vulnerability", "misconfiguration", "secret", "license")


_NOT_SCANNED = "resource-not-scanned"


class _Metadata(TrivyPart):
    """Of an image."""

    image_id: str | None = msgspec.field(name="ImageID", default=None)
    repo_tags: list[str] | None = None
    repo_digests: list[str] | None = None


class _Resource(TrivyPart):
    """A workload in a report of `trivy k8s`."""

    namespace: str | None = None
    kind: str | None = None
    name: str | None = None
    metadata: list[_Metadata] | _Metadata | None = None
    results: list[TrivyResult] | None = None
    error: str | None = None


class _Tool(TrivyPart):
    version: str | None = None


class _Document(TrivyPart):
    schema_version: int | None = None
    artifact_name: str | None = None
    artifact_type: str | None = None
    results: list[TrivyResult] | None = None
    trivy: _Tool | None = None
    cluster_name: str | None = None
    resources: list[_Resource] | None = None
    findings: list[_Resource] | None = None
    vulnerabilities: list[_Resource] | None = None
    misconfigurations: list[_Resource] | None = None


class _Compliance(TrivyPart):
    """What `trivy --compliance` writes: checks of a benchmark, each with its results, or their numbers alone."""

    id: str = msgspec.field(name="ID")
    title: str
    results: list[msgspec.Raw] | None = None
    summary_controls: list[msgspec.Raw] | None = None


_EITHER = cast("type[_Document | list[TrivyResult]]", _Document | list[TrivyResult])


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


def _of_trivy(document: _Document | list[TrivyResult]) -> Report:
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
            *(_of_image(finding, document) for result in document.results or () for finding in findings_of(result)),
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
        for finding in findings_of(result):
            own = finding.kind == "misconfiguration" and finding.location == f"{resource.kind}/{resource.name}"
            path = "" if own else finding.location
            image = system or current if finding.kind != "misconfiguration" else ""
            yield in_workload(msgspec.structs.replace(finding, location=path), owner, image)


def _image(metadata: _Metadata) -> str:
    return next(iter([*(metadata.repo_tags or ()), *(metadata.repo_digests or ())]), metadata.image_id or "")
