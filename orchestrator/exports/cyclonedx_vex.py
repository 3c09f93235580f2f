"""CycloneDX 1.6 VEX: what is suppressed in a run, with the targets and packages that it is about.

https://cyclonedx.org/capabilities/vex/. Every target is a component with the packages in it, and the references of an
analysis lead to these; `suppression.vex` of another run can read the document back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.exports.files import place, writing
from orchestrator.exports.interface import ExportRefusedError
from orchestrator.exports.vex_rows import document_id, gather
from orchestrator.model import COMMIT, VexStatus
from orchestrator.results.bom.validity import repair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config.loading import Config
    from orchestrator.exports.vex_rows import KnownStatement, Product, VexPackage
    from orchestrator.results.run import RunResults

name = "cyclonedx-vex"
description = "what is suppressed, as a CycloneDX 1.6 VEX document"
text = True

_FILE = "vex.cdx.json"
_STATES = {
    VexStatus.NOT_AFFECTED: "not_affected",
    VexStatus.FIXED: "resolved",
    VexStatus.AFFECTED: "exploitable",
    VexStatus.UNDER_INVESTIGATION: "in_triage",
}
_JUSTIFICATIONS = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "vulnerable_code_cannot_be_controlled_by_adversary": "requires_environment",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}


def export(results: RunResults, config: Config, to: str = "") -> str:
    """Write the document; the same run gives the same bytes.

    Returns:
        The path of the file.

    Raises:
        ExportRefusedError: what there is to say cannot be said in CycloneDX.
    """
    known = gather(results)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": document_id(results, name),
        "version": 1,
        "metadata": {
            "timestamp": results.ledger.finished,
            "tools": {"components": [{"type": "application", "name": "scanmatrix"}]},
            "authors": [{"name": config.suppression.author}],
        },
        "components": _components(known),
        "vulnerabilities": [_vulnerability(each) for each in known],
    }
    if changed := repair(document):
        raise ExportRefusedError(f"run {results.run}: not valid CycloneDX 1.6 at {', '.join(changed[:5])}")
    path = place(results, to, _FILE)
    with writing(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    return str(path)


def _components(known: Sequence[KnownStatement]) -> list[dict[str, Any]]:
    """Every target that anything is said of, with the packages in it."""
    packages: dict[Product, set[VexPackage]] = {}
    for each in known:
        for product, found in each.places.items():
            packages.setdefault(product, set()).update(found)
    return [_target(product, sorted(packages[product])) for product in sorted(packages)]


def _target(product: Product, packages: Sequence[VexPackage]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "application" if product.digest.startswith(COMMIT) else "container",
        "bom-ref": product.id,
        "name": product.name,
    }
    component |= {"version": product.digest} if product.digest else {}
    component |= {"purl": product.purl} if product.purl else {}
    if product.others:
        component["properties"] = [{"name": "scanmatrix:index", "value": each} for each in product.others]
    return component | ({"components": [_package(product, each) for each in packages]} if packages else {})


def _package(product: Product, package: VexPackage) -> dict[str, Any]:
    component = {"type": "library", "bom-ref": _ref(product, package), "name": package.name, "purl": package.purl}
    return component | ({"version": package.version} if package.version else {})


def _ref(product: Product, package: VexPackage) -> str:
    return f"{product.id}/{package.purl}"


def _vulnerability(known: KnownStatement) -> dict[str, Any]:
    document: dict[str, Any] = {"id": known.said.ids[0]}
    if aliases := sorted(set(known.said.ids[1:])):
        # CycloneDX wants a source of each; that of an id is in its name.
        document["references"] = [{"id": each, "source": {"name": each.partition("-")[0]}} for each in aliases]
    if known.said.action:
        document["recommendation"] = known.said.action
    analysis = {
        "state": _STATES[known.said.status],
        "justification": _JUSTIFICATIONS.get(known.said.justification, ""),
        "detail": " ".join(filter(None, (known.said.impact, known.said.notes and f"({known.said.notes})"))),
    }
    document["analysis"] = {key: text for key, text in analysis.items() if text}
    document["affects"] = [
        {"ref": ref}
        for product, packages in known.places.items()
        for ref in ([_ref(product, each) for each in packages] or [product.id])
    ]
    return document
