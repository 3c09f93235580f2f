"""OpenVEX documents, 0.0.x and 0.2.0, as statements.

https://github.com/openvex/spec, OPENVEX-SPEC.md. Where documents in the wild deviate without becoming ambiguous they
are read all the same: without author, id or version, without a time (such a statement is older than all others),
`affected` without an action statement. A statement that would suppress without saying why or for what is left out, as
is one that cannot be read: that is a mistake of this statement, and the others hold.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from orchestrator.analysis.suppression.targets import is_cpe, is_target, unmatchable
from orchestrator.analysis.suppression.vex_document import (
    VexDocument,
    judge_justification,
    one_line,
    spell_first,
    unknown,
    without_nulls,
)
from orchestrator.findings.cyclonedx_analysis import word_of
from orchestrator.kit.ids import clean
from orchestrator.kit.sources import Problem
from orchestrator.model import VexProduct, VexStatement, VexStatus
from orchestrator.packages.ecosystems import is_purl, type_in

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


def read(data: dict[str, Any], file: str) -> VexDocument:
    """Read a document.

    Args:
        data: the decoded JSON.
        file: as the user named it.

    Returns:
        Its statements; what is wrong with some of them; or why it is no VEX document.
    """
    statements = data.get("statements")
    result = VexDocument.named(file, data.get("@id"), data.get("version", 0))
    if not isinstance(statements, list):
        result.problems.append(Problem(file, 0, "not a valid OpenVEX document: it has no list of `statements`"))
        return result
    issued = spell_first([_text(data.get("timestamp")), _text(data.get("last_updated"))], "the document", result)
    for number, each in enumerate(statements, start=1):
        try:
            statement = msgspec.convert(without_nulls(each), _Statement)
        except msgspec.ValidationError as error:
            result.mistake(f"statement {number}", f"not valid OpenVEX, and left out: {error}")
            continue
        ids = _ids(statement.vulnerability)
        _read(statement, ids, f"statement {number} ({ids[0] if ids else 'no vulnerability'})", issued, result)
    if not statements:
        result.mistake("the document", "has no statement")
    return result


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read(statement: _Statement, ids: tuple[str, ...], place: str, issued: str, result: VexDocument) -> None:
    """Add one statement, or what is wrong with it."""
    word = word_of(statement.status)
    if not ids:
        result.mistake(place, "it names no vulnerability, and is left out; give `vulnerability` a `name`")
        return
    if word not in set(VexStatus):
        result.mistake(place, f"{unknown('status', statement.status, list(VexStatus))}; it is left out")
        return
    status, justification = VexStatus(word), word_of(statement.justification)
    why = statement.impact_statement.strip()
    if wrong := judge_justification(justification):
        result.mistake(place, wrong)
        justification, why = "", why or statement.justification
    if status is VexStatus.NOT_AFFECTED and not (justification or why):
        result.mistake(
            place, "`not_affected` must say why, and is left out: add a `justification` or an `impact_statement`"
        )
        return
    own = [statement.last_updated, statement.timestamp]
    before = len(result.mistakes) + len(result.notes)
    products = _products(statement, place, result)
    if not products and (status.suppresses or statement.products):
        if len(result.mistakes) + len(result.notes) == before:
            result.mistake(
                place,
                f"`{status}` must say of what, and is left out: add `products`, each with an `@id` or `identifiers`",
            )
        return
    result.statements.append(
        VexStatement(
            source=result.source,
            ids=ids,
            status=status,
            products=products,
            timestamp=spell_first(own, place, result) or issued,
            justification=justification,
            detail=one_line(why or statement.status_notes or statement.action_statement),
        )
    )


def _ids(vulnerability: _Vulnerability | str) -> tuple[str, ...]:
    """Every id, the name first; of an IRI its last part, where that looks like one."""
    if isinstance(vulnerability, str):
        vulnerability = _Vulnerability(name=vulnerability)
    last = vulnerability.id.rstrip("/").rpartition("/")[2]
    found = [clean(vulnerability.name), last if _ID.fullmatch(last) else "", *map(clean, vulnerability.aliases)]
    return tuple(dict.fromkeys(filter(None, found)))


def _products(statement: _Statement, place: str, result: VexDocument) -> tuple[VexProduct, ...]:
    """What it holds for: each product under each of its identifiers, with each subcomponent.

    A product of whose subcomponents none can be matched is none: it does not stand for all of the product.
    """
    found: dict[VexProduct, None] = {}
    for product in statement.products or ():
        own = product.subcomponents if isinstance(product, _Component) else ()
        subcomponents = own or statement.subcomponents
        packages = [text for each in subcomponents for text in _identifiers(each, place, result)]
        for text in _identifiers(product, place, result):
            if subcomponents:
                found |= dict.fromkeys(VexProduct(target=text, package=package) for package in packages)
                continue
            if is_target(text):
                found[VexProduct(target=text)] = None
            if is_purl(text) and type_in(text) not in {"oci", "docker"}:
                found[VexProduct(package=text)] = None
    return tuple(found)


def _identifiers(component: _Component | str, place: str, result: VexDocument) -> list[str]:
    """What it can be found by; a note where that is nothing."""
    if isinstance(component, str):
        component = _Component(id=component)
    purls = [component.id, component.identifiers.get("purl", "")]
    digests = [
        _DIGESTS[word] + value.lower() for name, value in component.hashes.items() if (word := name.lower()) in _DIGESTS
    ]
    others = [text for text in (component.id, *component.identifiers.values()) if is_cpe(text)]
    found = list(dict.fromkeys(text for text in [*purls, *digests] if text and not unmatchable(text)))
    if not found:
        why = next(filter(None, map(unmatchable, [*purls, *others])), "")
        remark = result.note if others else result.mistake
        remark(place, why or "a product or subcomponent has neither `@id` nor `identifiers`")
    return found
