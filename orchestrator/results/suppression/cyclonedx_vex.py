"""CycloneDX VEX documents (JSON, 1.4 and later) as statements: every vulnerability with an analysis is some.

https://cyclonedx.org/capabilities/vex/ and https://cyclonedx.org/docs/1.6/json/ (`vulnerabilities[].analysis`). A
vulnerability without an analysis is a finding of whoever wrote the document, not a statement, and is passed over.
CycloneDX asks for no justification, so none is demanded.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from orchestrator.model import VexProduct, VexStatement, VexStatus
from orchestrator.results.suppression.cyclonedx_products import Analysis, Document, Products, Vulnerability
from orchestrator.results.suppression.interface import VexDocument, one_line, spell_exactly, unknown
from orchestrator.yaml_source import Problem

STATES = {
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "false_positive": VexStatus.NOT_AFFECTED,
    "not_affected": VexStatus.NOT_AFFECTED,
}
"""The states of an analysis in VEX's words."""

JUSTIFICATIONS = {
    "code_not_present": "vulnerable_code_not_present",
    "code_not_reachable": "vulnerable_code_not_in_execute_path",
    "requires_configuration": "vulnerable_code_not_in_execute_path",
    "requires_dependency": "vulnerable_code_not_in_execute_path",
    "requires_environment": "vulnerable_code_cannot_be_controlled_by_adversary",
    "protected_by_compiler": "inline_mitigations_already_exist",
    "protected_at_runtime": "inline_mitigations_already_exist",
    "protected_at_perimeter": "inline_mitigations_already_exist",
    "protected_by_mitigating_control": "inline_mitigations_already_exist",
}
"""The justifications of an analysis in VEX's words, as near as they come."""

# States of which VEX's word does not say everything.
_PLAINER = {"false_positive": "false positive", "resolved_with_pedigree": "resolved with pedigree"}
_VERSION = re.compile(r"1\.(\d+)")
_FIRST = 4


def read(data: Any, file: str) -> VexDocument:
    """Read a document.

    Args:
        data: the decoded JSON.
        file: as the user named it.

    Returns:
        Its statements, or every mistake in it.
    """
    try:
        document = msgspec.convert(data, Document)
    except msgspec.ValidationError as error:
        return VexDocument(file, problems=[Problem(file, 0, f"not a valid CycloneDX document: {error}")])
    result = VexDocument(file, document.serial_number or "", document.version)
    known = _VERSION.fullmatch(document.spec_version)
    if not known or int(known[1]) < _FIRST:
        result.problems.append(Problem(file, 0, f"CycloneDX {document.spec_version} has no VEX; write 1.4 or later"))
        return result
    said = [
        (number, each, each.analysis)
        for number, each in enumerate(document.vulnerabilities or (), start=1)
        if each.analysis and each.analysis.state
    ]
    products = Products(document)
    for number, vulnerability, analysis in said:
        place = f"vulnerability {number} ({vulnerability.id or 'no id'})"
        try:
            timestamp = _moment(analysis, document)
        except ValueError as error:
            result.refuse(place, str(error))
            timestamp = None
        about = products.of(vulnerability.affects)
        _read(_Said(place, vulnerability, analysis, timestamp, *about), result)
    if not said:
        result.problems.append(Problem(file, 0, "is not a VEX document: no vulnerability has an `analysis.state`"))
    return result


class _Said(NamedTuple):
    """What a document says of one vulnerability, and where."""

    place: str
    vulnerability: Vulnerability
    analysis: Analysis
    timestamp: str | None
    products: tuple[VexProduct, ...]
    ranges: list[str]


def _read(said: _Said, result: VexDocument) -> None:
    """Add one statement, or what is wrong with it."""
    before = len(result.problems)
    others = [reference.id for reference in said.vulnerability.references or ()]
    ids = tuple(dict.fromkeys(each.strip() for each in (said.vulnerability.id, *others) if each and each.strip()))
    state, justification = said.analysis.state or "", said.analysis.justification or ""
    if not ids:
        result.refuse(said.place, "it has no `id`")
    if justification and justification not in JUSTIFICATIONS:
        result.refuse(said.place, unknown("justification", justification, list(JUSTIFICATIONS)))
    if state not in STATES:
        result.refuse(said.place, unknown("state", state, list(STATES)))
    elif STATES[state].suppresses and not said.products and not said.ranges:
        result.refuse(
            said.place, f"`{state}` must say of what: add `affects`, or describe the product in `metadata.component`"
        )
    if len(result.problems) > before or said.timestamp is None:
        return
    if said.ranges:
        what = f"ranges of versions are not read, list the versions instead: {said.ranges[0]}"
        result.notes.append(f"{result.source}: {said.place}: {what}")
        if not said.products:
            return
    result.statements.append(
        VexStatement(
            source=result.source,
            ids=ids,
            status=STATES[state],
            products=said.products,
            timestamp=said.timestamp,
            justification=JUSTIFICATIONS.get(justification, ""),
            detail=one_line(said.analysis.detail or _PLAINER.get(state, "")),
        )
    )


def _moment(analysis: Analysis, document: Document) -> str:
    issued = document.metadata.timestamp if document.metadata else None
    text = analysis.last_updated or analysis.first_issued or issued
    return spell_exactly(text) if text else ""
