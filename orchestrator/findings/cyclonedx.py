"""CycloneDX, JSON and XML, as inventories and as vulnerability reports: vulnerabilities become findings.

https://cyclonedx.org/docs/1.6/json/. `bomFormat` and `specVersion` are what the schema requires of every document; one
that has neither subject nor content beside them is refused, because it says nothing of what was looked at.

A vulnerability that was rejected is none, and neither is one of a package that the document does not list, or of a
version that it calls unaffected (`orchestrator.findings.cyclonedx_affects`). What the report's `analysis` says that
nobody needs to act on is suppressed, as what the other scanners' own configurations suppress is.
"""

import re
from typing import Any, NamedTuple

import msgspec

from orchestrator.findings.cyclonedx_affects import Installed, Inventory, fixes, judge
from orchestrator.findings.cyclonedx_analysis import (
    JUSTIFICATIONS,
    STATES,
    Affect,
    is_mixed,
    most_cautious,
    status_of,
    word_of,
)
from orchestrator.findings.cyclonedx_components import (
    CycloneDxPart,
    ListedComponent,
    ListedProperty,
    flat,
    package_of,
)
from orchestrator.findings.cyclonedx_ratings import GivenRating, RatingSource, best_rating, severity_by
from orchestrator.findings.decoding import by_scanner, decode_json, other_ids, title
from orchestrator.findings.interface import MOST_MEMORY, Report, ReportError
from orchestrator.findings.markup import looks_like_xml
from orchestrator.kit.json_bounds import memory_of, most_memory_of
from orchestrator.kit.quantities import spell_size
from orchestrator.kit.steady import steady
from orchestrator.model import Finding, Suppressed, VexStatus
from orchestrator.packages.ecosystems import CALLED_BY_LAST, grouped, type_in

name = "cyclonedx"
kinds: tuple[str, ...] = ("vulnerability",)

_UPGRADE = re.compile(r"(?:[Uu]pgrade|[Uu]pdate) (?:(?P<package>\S+) )?to (?:version )?(?P<version>[^;\s]*\d[^;]*)")

# Amazon Inspector; the component's reference stands behind it.
_FIX_PROPERTY = "amazon:inspector:sbom_scanner:fixed_version:"
_OR_LATER = re.compile(r",? (?:or|and) (?:higher|later|above|newer)\b.*")


class _Reference(CycloneDxPart):
    id: str | None = None


class _Vulnerability(CycloneDxPart):
    id: str | None = None
    bom_ref: str | None = msgspec.field(name="bom-ref", default=None)
    source: RatingSource | None = None
    references: list[_Reference] | None = None
    ratings: list[GivenRating] | None = None
    description: str | None = None
    detail: str | None = None
    recommendation: str | None = None
    affects: list[Affect] | None = None
    analysis: Any = None
    rejected: Any = None
    properties: list[ListedProperty] | None = None


class _Metadata(CycloneDxPart):
    tools: Any = None
    component: ListedComponent | None = None


class CycloneDxDocument(CycloneDxPart):
    """The parts of a document that are needed here."""

    bom_format: str
    spec_version: str
    metadata: _Metadata | None = None
    components: list[ListedComponent] | None = None
    services: list[ListedComponent] | None = None
    vulnerabilities: list[_Vulnerability] | None = None


class ReadDocument(NamedTuple):
    """A document that was decoded.

    Attributes:
        parts: of it, typed.
        bom: the whole, as JSON has it; None where it was not asked for.
        memory: that it needs, bytes; 0 where it is not kept as a whole and was too short to be refused.
    """

    parts: CycloneDxDocument
    bom: dict[str, Any] | None
    memory: int


def parse(data: bytes) -> Report:
    """Read a CycloneDX document; one finding per vulnerability and component that it affects.

    Raises:
        ReportError: it is not a whole CycloneDX document.
    """
    return report_of(_read_whole(data))


def report_of(read: ReadDocument) -> Report:
    """What a document says; see `parse`."""
    document, bom, memory = read
    if document.bom_format != "CycloneDX" or not re.fullmatch(r"1\.\d+", document.spec_version):
        raise ReportError(f"the report is not a CycloneDX document: {document.bom_format} {document.spec_version}")
    said = (document.metadata, document.components, document.services, document.vulnerabilities)
    if all(each is None for each in said):
        raise ReportError("the CycloneDX document says nothing: no metadata, components, services or vulnerabilities")
    scanner, version = tool_of(document.metadata.tools if document.metadata else None)
    inventory = _inventory(document)
    findings = [
        finding
        for each in document.vulnerabilities or ()
        if not each.rejected
        for finding in _findings(each, inventory)
    ]
    return Report(
        scanner=scanner,
        scanner_version=version,
        findings=tuple(findings),
        bom=None if bom is None else _linked(bom, inventory),
        bom_memory=memory,
        listed=None if bom is not None else _count(document),
    )


def read_parts(data: bytes) -> ReadDocument:
    """Decode what is needed here of a document, which must be JSON.

    Raises:
        ReportError: it is no CycloneDX document, or takes too much memory.
    """
    # Refused are those of which a BOM could not be made later; most are too short for that, whatever is in them.
    memory = _bounded(memory_of(data)) if most_memory_of(len(data)) > MOST_MEMORY else 0
    return ReadDocument(decode_json(data, CycloneDxDocument, what="a CycloneDX document"), None, memory)


def _read_whole(data: bytes) -> ReadDocument:
    """Decode a document, JSON or XML, once."""
    if not looks_like_xml(data):
        memory = _bounded(memory_of(data))
        bom = decode_json(data, dict[str, Any], what="a CycloneDX document")
    else:
        from orchestrator.findings.cyclonedx_xml import to_json  # noqa: PLC0415 - on first use

        bom = to_json(data)
        memory = _bounded(memory_of(msgspec.json.encode(bom)))
    try:
        return ReadDocument(msgspec.convert(bom, CycloneDxDocument), bom, memory)
    except msgspec.ValidationError as error:
        raise ReportError(f"the report is not a CycloneDX document: {error}") from error


def _bounded(memory: int) -> int:
    """The memory that a document takes, which is decoded as a whole; ReportError where that is too much."""
    if memory > MOST_MEMORY:
        raise ReportError(
            f"the report takes {spell_size(memory)} of memory; at most {spell_size(MOST_MEMORY)} are accepted"
        )
    return memory


def tool_of(tools: Any) -> tuple[str, str]:
    """The first tool's name and version; a list until 1.4, components and services since 1.5."""
    if isinstance(tools, dict):
        tools = [*(tools.get("components") or ()), *(tools.get("services") or ())]
    first = tools[0] if isinstance(tools, list) and tools and isinstance(tools[0], dict) else {}
    return str(first.get("name") or name).lower(), str(first.get("version") or "")


def _inventory(document: CycloneDxDocument) -> Inventory[ListedComponent]:
    """Every component and service that can be referred to, nested ones and the document's subject included."""
    subject = document.metadata.component if document.metadata else None
    inside = subject.components if subject else None
    waiting = [*(document.components or ()), *(document.services or ()), *([subject] if subject else ())]
    found = [(each.bom_ref or each.purl or "", each) for each in flat(waiting)] if document.vulnerabilities else []
    return Inventory(found, package_of, lists_packages=bool(document.components or inside))


def _count(document: CycloneDxDocument) -> int:
    """Number of its components, as `Report.components` counts those of a BOM."""
    subject = document.metadata.component if document.metadata else None
    return len(flat([*(document.components or ()), *((subject.components or ()) if subject else ())]))


def _linked(bom: dict[str, Any], inventory: Inventory[ListedComponent]) -> dict[str, Any]:
    """The document for merging: without what is about packages that it does not list."""
    vulnerabilities = []
    for each in bom.get("vulnerabilities") or ():
        affects = each.get("affects")
        linked = inventory.linked(affects) if affects else affects
        if linked or not affects:
            vulnerabilities.append({**each, "affects": linked} if affects else each)
    return {**bom, "vulnerabilities": vulnerabilities} if bom.get("vulnerabilities") else bom


def _reference(each: _Vulnerability) -> str | None:
    """What names a vulnerability without an id: its `bom-ref`, unless that is made again with each document."""
    if each.bom_ref is None or steady(each.bom_ref) == each.bom_ref:
        return each.bom_ref
    known = next((reference.id for reference in each.references or () if reference.id), "")
    return known or steady(title(each.description or each.detail))[:80].strip() or each.bom_ref


def _findings(each: _Vulnerability, inventory: Inventory[ListedComponent]) -> list[Finding]:
    """One finding per affected component; one without a package where none is named."""
    own = next((name for name in (each.id, _reference(each)) if name is not None), "unnamed")
    cvss = best_rating(each.ratings or (), each.source)
    common = Finding(
        id=own,
        kind="vulnerability",
        severity=severity_by(each.ratings or (), each.source, cvss),
        aliases=other_ids({reference.id or "" for reference in each.references or ()}, own),
        title=title(each.description or each.detail),
        fixed_version=_upgrade(each.recommendation, ""),
        cvss=cvss,
    )
    state, affects = _state(each.analysis), _affects(each)
    mixed = is_mixed(affects)
    # A version may be unaffected by itself; only an analysis is somebody's decision.
    suppressed = _suppressed(each.analysis) if state is not None and state.suppresses else None
    if not affects:
        hidden = status_of(state, None, mixed=mixed).suppresses
        return [msgspec.structs.replace(common, suppressed=suppressed if hidden else None)]
    found: list[Finding] = []
    for affect in affects:
        for installed in inventory.find(affect.ref):
            status = judge(affect, installed, state, mixed=mixed)
            if status is None or (status.suppresses and suppressed is None):
                continue
            finding = _affected(common, each, affect, installed)
            found.append(msgspec.structs.replace(finding, suppressed=suppressed) if status.suppresses else finding)
    return found if len(found) == 1 else list(dict.fromkeys(found))


def _suppressed(analysis: Any) -> Suppressed:
    """What the analysis says that suppresses, of several the first: its justification, and in words its detail."""
    said = [each for each in (analysis if isinstance(analysis, list) else [analysis]) if isinstance(each, dict)]
    first = next((each for each in said if STATES.get(word_of(str(each.get("state") or "")))), {})
    state, justification = word_of(str(first.get("state") or "")), word_of(str(first.get("justification") or ""))
    detail = first.get("detail")
    return by_scanner(
        "its analysis",
        detail if isinstance(detail, str) and detail.strip() else state.replace("_", " "),
        JUSTIFICATIONS.get(justification, ""),
    )


def _affects(each: _Vulnerability) -> list[Affect]:
    """What it is about, each reference once with the versions of all its mentions."""
    if each.affects and len(each.affects) == 1:
        return each.affects
    found: dict[str, Affect] = {}
    for affect in each.affects or ():
        known = found.setdefault(affect.ref, Affect(ref=affect.ref))
        known.versions = [*(known.versions or ()), *(affect.versions or ())]
    return list(found.values())


def _state(analysis: Any) -> VexStatus | None:
    """What an analysis says of the vulnerability; of several the most cautious, and of an unknown word nothing."""
    said = analysis if isinstance(analysis, list) else [analysis]
    known = [STATES.get(word_of(str(each.get("state") or ""))) for each in said if isinstance(each, dict)]
    return most_cautious([state or VexStatus.AFFECTED for state in known]) if any(known) else None


def _affected(common: Finding, each: _Vulnerability, affect: Affect, installed: Installed) -> Finding:
    """The finding of one component; a component without a version is in the first that is listed as affected."""
    name, version = installed.name, installed.version
    listed = (v.version for v in affect.versions or () if v.version and word_of(v.status) in {"", "affected"})
    wanted = f"{_FIX_PROPERTY}{affect.ref}"
    named = ", ".join(str(one.value) for one in each.properties or () if one.name == wanted and one.value)
    fixed = ", ".join(fixes(affect, installed)) or named or _upgrade(each.recommendation, name) or common.fixed_version
    return msgspec.structs.replace(
        common,
        package=name if type_in(installed.purl) in CALLED_BY_LAST else grouped(installed.group, name),
        version=version or next(listed, ""),
        purl=installed.purl,
        location=installed.location,
        fixed_version=fixed,
    )


def _upgrade(recommendation: str | None, package: str) -> str:
    """The fixed version in a recommendation such as Trivy's `Upgrade a to version 1.2; Upgrade b to version 3`."""
    if not recommendation:
        return ""
    advice = list(_UPGRADE.finditer(recommendation))
    if len(advice) == 1:
        return _version(advice[0])
    return next((_version(each) for each in advice if package and each["package"] == package), "")


def _version(advice: re.Match[str]) -> str:
    return _OR_LATER.sub("", advice["version"].strip()).rstrip(".")
