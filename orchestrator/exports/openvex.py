"""OpenVEX 0.2.0: what is suppressed in a run, for the scanners and platforms of others.

https://github.com/openvex/spec, OPENVEX-SPEC.md. Each statement has its own time, and every target and package its
package URL, so `suppression.vex` of another run can read the document back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.exports.files import place, writing
from orchestrator.exports.interface import NothingToExportError
from orchestrator.exports.vex_rows import document_id, gather

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.exports.vex_rows import KnownStatement, Product
    from orchestrator.results.run import RunResults

name = "openvex"
description = "what is suppressed, as an OpenVEX document"
text = True

_CONTEXT = "https://openvex.dev/ns/v0.2.0"
_FILE = "openvex.json"


def export(results: RunResults, config: Config, to: str = "") -> str:
    """Write the document; the same run gives the same bytes.

    Returns:
        The path of the file.

    Raises:
        NothingToExportError: nothing is suppressed, and OpenVEX has no document without statements.
    """
    known = gather(results)
    if not known:
        raise NothingToExportError(
            f"run {results.run}: nothing is suppressed, and no VEX statement was about what it found, so there is"
            " nothing to say in OpenVEX"
        )
    moment = results.ledger.finished
    document = {
        "@context": _CONTEXT,
        "@id": document_id(results, name),
        "author": config.suppression.author,
        "timestamp": moment,
        "version": 1,
        "tooling": f"scanmatrix, run {results.run}",
        "statements": [_statement(each, moment) for each in known],
    }
    path = place(results, to, _FILE)
    with writing(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    return str(path)


def _statement(known: KnownStatement, moment: str) -> dict[str, Any]:
    vulnerability: dict[str, Any] = {"name": known.said.ids[0]}
    if aliases := sorted(set(known.said.ids[1:])):
        vulnerability["aliases"] = aliases
    statement: dict[str, Any] = {
        "vulnerability": vulnerability,
        "timestamp": moment,
        "products": [
            component | ({"subcomponents": [_by_purl(each.purl) for each in packages]} if packages else {})
            for product, packages in known.places.items()
            for component in (_component(product), *map(_by_purl, product.others))
        ],
        "status": known.said.status.value,
    }
    texts = {
        "status_notes": known.said.notes,
        "justification": known.said.justification,
        "impact_statement": known.said.impact,
    }
    statement |= {key: text for key, text in texts.items() if text}
    return statement | ({"action_statement": known.said.action} if known.said.action else {})


def _component(product: Product) -> dict[str, Any]:
    """A target: by its package URL, or without one (a local archive) by its digest."""
    if product.purl:
        return _by_purl(product.purl)
    algorithm, _, value = product.digest.partition(":")
    if not value:
        return {"@id": product.name}
    return {"@id": f"urn:{algorithm}:{value}", "hashes": {algorithm.replace("sha", "sha-"): value}}


def _by_purl(purl: str) -> dict[str, Any]:
    return {"@id": purl, "identifiers": {"purl": purl}}
