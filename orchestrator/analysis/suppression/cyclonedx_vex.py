"""CycloneDX VEX documents (1.4 and later, JSON and XML) as statements: every vulnerability with an analysis is some.

https://cyclonedx.org/capabilities/vex/ and https://cyclonedx.org/docs/1.6/json/ (`vulnerabilities[].analysis`). A
vulnerability without an analysis is a finding of the document's author, not a statement, and is passed over.
CycloneDX asks for no justification, so none is demanded. What state and versions say together is decided in
`orchestrator.findings.cyclonedx_analysis`; one vulnerability may become several statements by that.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeVar

import msgspec

from orchestrator.analysis.suppression.cyclonedx_products import (
    Analysis,
    BomComponent,
    BomMetadata,
    Products,
    Vulnerability,
)
from orchestrator.analysis.suppression.vex_document import VexDocument, one_line, spell_first, unknown, without_nulls
from orchestrator.findings.cyclonedx_analysis import JUSTIFICATIONS, STATES, is_mixed, word_of
from orchestrator.kit.ids import clean
from orchestrator.kit.sources import Problem
from orchestrator.model import VexProduct, VexStatement, VexStatus

# States of which VEX's word does not say everything.
_PLAINER = {"false_positive": "false positive", "resolved_with_pedigree": "resolved with pedigree"}
_VERSION = re.compile(r"1\.(\d+)")
_FIRST = 4
_T = TypeVar("_T")


class _Context(NamedTuple):
    """What the statements of a document share.

    Attributes:
        issued: when the document was made; empty when it does not say.
    """

    products: Products
    issued: str
    result: VexDocument


def read(data: dict[str, Any], file: str) -> VexDocument:
    """Read a document.

    Args:
        data: the decoded JSON.
        file: as the user named it.

    Returns:
        Its statements; what is wrong with some of them; or why it is no VEX document.
    """
    result = VexDocument.named(file, data.get("serialNumber"), data.get("version", 0))
    known = _VERSION.fullmatch(spec := str(data.get("specVersion")))
    vulnerabilities = data.get("vulnerabilities")
    if not known or int(known[1]) < _FIRST:
        result.problems.append(Problem(file, 0, f"CycloneDX {spec} has no VEX; write 1.4 or later"))
    elif not isinstance(vulnerabilities, list):
        result.problems.append(Problem(file, 0, "is not a VEX document: it has no list of `vulnerabilities`"))
    if result.problems or not isinstance(vulnerabilities, list):
        return result
    metadata = _convert(data.get("metadata"), BomMetadata, "metadata", result)
    listed = _convert(data.get("components"), list[Any], "components", result) or []
    components = [
        _convert(each, BomComponent, f"component {place}", result) for place, each in enumerate(listed, start=1)
    ]
    products = Products(
        result.id, metadata.component if metadata else None, [each for each in components if each is not None]
    )
    issued = spell_first([metadata.timestamp if metadata else None], "metadata", result)
    context = _Context(products, issued, result)
    said = 0
    for number, each in enumerate(vulnerabilities, start=1):
        vulnerability = _convert(each, Vulnerability, f"vulnerability {number}", result)
        if vulnerability and (analysis := vulnerability.analysis) and analysis.state:
            said += 1
            _read(f"vulnerability {number} ({vulnerability.id or 'no id'})", vulnerability, analysis, context)
    if not said and not result.mistakes:
        result.mistake("the document", "no vulnerability has an `analysis.state`, so it says nothing")
    return result


def _convert(value: Any, to: type[_T], place: str, result: VexDocument) -> _T | None:
    """A part of the document; None, and a mistake, where it is not as the specification wants it."""
    if value is None:
        return None
    try:
        return msgspec.convert(without_nulls(value), to)
    except msgspec.ValidationError as error:
        result.mistake(place, f"not valid CycloneDX, and left out: {error}")
        return None


def _read(place: str, vulnerability: Vulnerability, analysis: Analysis, context: _Context) -> None:
    """Add what a vulnerability says, a statement for each status; or what is wrong with it."""
    products, result = context.products, context.result
    others = [reference.id for reference in vulnerability.references or ()]
    ids = tuple(dict.fromkeys(spelt for each in (vulnerability.id, *others) if each and (spelt := clean(each))))
    if not ids:
        result.mistake(place, "it has no `id`, and is left out")
        return
    state = STATES.get(word := word_of(analysis.state))
    if state is None:
        result.mistake(place, f"{unknown('state', analysis.state or '', list(STATES))}; it is left out")
        return
    justification = word_of(analysis.justification)
    if justification and justification not in JUSTIFICATIONS:
        result.mistake(place, unknown("justification", analysis.justification or "", list(JUSTIFICATIONS)))
    own = spell_first([analysis.last_updated, analysis.first_issued], place, result)
    affects = vulnerability.affects or []
    by_status: dict[VexStatus, dict[VexProduct, None]] = {}
    if affects:
        by_status = products.of(affects, state, place, result, mixed=is_mixed(affects))
    elif products.whole or not state.suppresses:
        by_status = {state: dict.fromkeys(products.whole)}
    else:
        result.mistake(
            place,
            f"`{word}` must say of what, and is left out: add `affects`, or describe the product in"
            " `metadata.component`",
        )
    for status, about in by_status.items():
        is_states = status is state
        result.statements.append(
            VexStatement(
                source=result.source,
                ids=ids,
                status=status,
                products=tuple(about),
                timestamp=own or context.issued,
                justification=JUSTIFICATIONS.get(justification, "") if is_states else "",
                detail=one_line(analysis.detail or _PLAINER.get(word, "")) if is_states else _of_versions(status, word),
            )
        )


def _of_versions(status: VexStatus, state: str) -> str:
    """What a statement says in words that comes from the status of a version, not from the state."""
    listed = {VexStatus.NOT_AFFECTED: "unaffected", VexStatus.AFFECTED: "affected"}.get(status, "unknown")
    return f"listed as {listed}, beside the state {state}"
