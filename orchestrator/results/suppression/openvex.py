"""OpenVEX documents, 0.0.x and 0.2.0, as statements.

https://github.com/openvex/spec, OPENVEX-SPEC.md. Where documents in the wild deviate without becoming ambiguous they
are read all the same: without author, id or version, without a time (such a statement is older than all others),
`affected` without an action statement. What would suppress without saying why or for what is refused.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from orchestrator.model import VexProduct, VexStatement, VexStatus
from orchestrator.results.suppression.interface import (
    VexDocument,
    judge_justification,
    one_line,
    spell_exactly,
    unknown,
)
from orchestrator.results.suppression.targets import is_target
from orchestrator.yaml_source import Problem

_ID = re.compile(r"[A-Za-z]{2,}-[A-Za-z0-9:.-]*\d[A-Za-z0-9:.-]*")
_DIGESTS = {"sha-256": "sha256:", "sha-512": "sha512:"}


class _Part(msgspec.Struct):
    """A partial structure of the document; what it does not name is skipped unread."""


class _Component(_Part):
    id: str = msgspec.field(name="@id", default="")
    identifiers: dict[str, str] = msgspec.field(default_factory=dict)
    hashes: dict[str, str] = msgspec.field(default_factory=dict)
    subcomponents: list[_Component | str] = msgspec.field(default_factory=list)


class _Vulnerability(_Part):
    id: str = msgspec.field(name="@id", default="")
    name: str = ""
    aliases: list[str] = msgspec.field(default_factory=list)


class _Statement(_Part):
    vulnerability: _Vulnerability | str
    status: str
    products: list[_Component | str] | None = None
    subcomponents: list[_Component | str] = msgspec.field(default_factory=list)
    timestamp: str = ""
    last_updated: str = ""
    justification: str = ""
    impact_statement: str = ""
    action_statement: str = ""
    status_notes: str = ""


class _Document(_Part):
    statements: list[_Statement]
    id: str = msgspec.field(name="@id", default="")
    version: int | str = 0
    timestamp: str = ""


def read(data: Any, file: str) -> VexDocument:
    """Read a document.

    Args:
        data: the decoded JSON.
        file: as the user named it.

    Returns:
        Its statements, or every mistake in it.
    """
    try:
        document = msgspec.convert(data, _Document)
    except msgspec.ValidationError as error:
        return VexDocument(file, problems=[Problem(file, 0, f"not a valid OpenVEX document: {error}")])
    version = str(document.version)
    result = VexDocument(file, document.id, int(version) if version.isdecimal() else 0)
    for number, statement in enumerate(document.statements, start=1):
        ids = _ids(statement.vulnerability)
        _read(statement, ids, f"statement {number} ({ids[0] if ids else 'no vulnerability'})", document, result)
    if not document.statements:
        result.problems.append(Problem(file, 0, "has no statement"))
    return result


def _read(statement: _Statement, ids: tuple[str, ...], place: str, document: _Document, result: VexDocument) -> None:
    """Add one statement, or what is wrong with it."""
    before = len(result.problems)
    if not ids:
        result.refuse(place, "it names no vulnerability; give `vulnerability` a `name`")
    if wrong := judge_justification(statement.justification):
        result.refuse(place, wrong)
    try:
        timestamp = _moment(statement, document)
    except ValueError as error:
        result.refuse(place, str(error))
    if statement.status not in set(VexStatus):
        result.refuse(place, unknown("status", statement.status, list(VexStatus)))
        return
    status = VexStatus(statement.status)
    if status is VexStatus.NOT_AFFECTED and not (statement.justification or statement.impact_statement.strip()):
        result.refuse(place, "`not_affected` must say why: add a `justification` or an `impact_statement`")
    products = _products(statement)
    if status.suppresses and not products:
        result.refuse(place, f"`{status}` must say of what: add `products`, each with an `@id` or `identifiers`")
    if len(result.problems) > before:
        return
    result.statements.append(
        VexStatement(
            source=result.source,
            ids=ids,
            status=status,
            products=products,
            timestamp=timestamp,
            justification=statement.justification,
            detail=one_line(statement.impact_statement or statement.status_notes or statement.action_statement),
        )
    )


def _moment(statement: _Statement, document: _Document) -> str:
    """When it was last known to be true: its own times, else the document's."""
    own = [spell_exactly(text) for text in (statement.timestamp, statement.last_updated) if text]
    if own:
        return own[-1]
    return spell_exactly(document.timestamp) if document.timestamp else ""


def _ids(vulnerability: _Vulnerability | str) -> tuple[str, ...]:
    """Every id, the name first; of an IRI its last part, where that looks like one."""
    if isinstance(vulnerability, str):
        vulnerability = _Vulnerability(name=vulnerability)
    last = vulnerability.id.rstrip("/").rpartition("/")[2]
    found = [vulnerability.name.strip(), last if _ID.fullmatch(last) else "", *map(str.strip, vulnerability.aliases)]
    return tuple(dict.fromkeys(filter(None, found)))


def _products(statement: _Statement) -> tuple[VexProduct, ...]:
    """What it holds for: each product under each of its identifiers, with each subcomponent."""
    found: dict[VexProduct, None] = {}
    for product in statement.products or ():
        own = product.subcomponents if isinstance(product, _Component) else ()
        packages = [text for each in (own or statement.subcomponents) for text in _identifiers(each)]
        for text in _identifiers(product):
            if packages:
                found |= dict.fromkeys(VexProduct(target=text, package=package) for package in packages)
                continue
            if is_target(text):
                found[VexProduct(target=text)] = None
            if text.startswith("pkg:") and not text.startswith(("pkg:oci/", "pkg:docker/")):
                found[VexProduct(package=text)] = None
    return tuple(found)


def _identifiers(component: _Component | str) -> list[str]:
    if isinstance(component, str):
        return [component] if component else []
    digests = [_DIGESTS[name] + value.lower() for name, value in component.hashes.items() if name in _DIGESTS]
    return list(dict.fromkeys(filter(None, [component.id, component.identifiers.get("purl", ""), *digests])))
