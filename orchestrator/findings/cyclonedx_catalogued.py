"""A CycloneDX document as a stored SBOM: Trivy's, which has what Trivy needs in properties of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.findings.catalogued import Catalogued, types_of
from orchestrator.findings.cyclonedx import tool_of
from orchestrator.findings.cyclonedx_components import CycloneDxPart, ListedComponent, flat
from orchestrator.findings.decoding import decode_json
from orchestrator.findings.interface import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Metadata(CycloneDxPart):
    tools: Any = None
    component: ListedComponent | None = None


class _Document(CycloneDxPart):
    bom_format: str
    components: list[ListedComponent] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def catalogued(data: bytes) -> Catalogued:
    """What it lists, in short; see `orchestrator.findings.catalogued`.

    Raises:
        ReportError: it is not a whole CycloneDX document in JSON, or names no tool.
    """
    document = decode_json(data, _Document, what="a CycloneDX document")
    if document.bom_format != "CycloneDX":
        raise ReportError(f"the report is not a CycloneDX document: {document.bom_format[:80]!r}")
    name, version = tool_of(document.metadata.tools)
    if not version:
        raise ReportError("the CycloneDX document does not say which version of which program made it")
    listed = flat(_top(document))
    return Catalogued(
        cataloguer=f"{name} {version.removeprefix('v')}",
        image="",
        types=types_of(component.purl or "" for component in listed),
        gaps=tuple(_gaps(listed)),
    )


def for_matching(data: bytes) -> bytes:
    """The whole of it: Trivy reads all that it has written."""
    return data


def _top(document: _Document) -> list[ListedComponent]:
    """What it lists; some tools put everything into what the document is about."""
    subject = document.metadata.component
    return [*(document.components or ()), *((subject.components or ()) if subject else ())]


def _gaps(listed: list[ListedComponent]) -> Iterator[str]:
    """Libraries that nothing can be looked up by."""
    for component in listed:
        if component.type == "library" and not (component.version and component.purl):
            lacking = "version" if component.purl else "package URL"
            yield f"package {(component.name or '')[:200]} has no {lacking}"
