"""The pieces of a merged BOM that are made of findings: typed, so that they need no validation, and cheaply written.

What a report says as CycloneDX is foreign JSON instead (`dict`), and has to be made valid (`…bom.validity`). Fields are
in the order in which they are written, and left out where they say nothing.
"""

from typing import Any

import msgspec

from orchestrator.model import Finding

Json = dict[str, Any]

_METHODS = {"2.0": "CVSSv2", "3.0": "CVSSv3", "3": "CVSSv3", "3.1": "CVSSv31", "4.0": "CVSSv4"}
# The schema's limit of a version, the only one that a finding can exceed.
_LONGEST_VERSION = 1024
_INFINITE = float("inf")


class _Piece(msgspec.Struct, gc=False, omit_defaults=True, rename={"bom_ref": "bom-ref"}):
    """Never changed once it is made; not frozen, for mypy takes what is for a dataclass of other fields."""


class Property(_Piece):
    """A property; its name as it is written."""

    name: str
    value: str


class SaidBy(_Piece):
    """Who says something."""

    name: str


class NamedComponent(_Piece):
    """A component that only findings name."""

    type: str
    name: str
    version: str = ""
    bom_ref: str = ""
    purl: str = ""
    properties: tuple[Property, ...] = ()


class _Reference(_Piece):
    id: str
    source: SaidBy


class _Rating(_Piece):
    source: SaidBy
    severity: str
    score: float | None = None
    method: str = ""
    vector: str = ""


class Affected(_Piece):
    """A component that a vulnerability is in, by its reference."""

    ref: str


class FoundVulnerability(_Piece):
    """What a finding reports."""

    bom_ref: str
    id: str
    source: SaidBy
    references: tuple[_Reference, ...] = ()
    ratings: tuple[_Rating, ...] = ()
    description: str = ""
    recommendation: str = ""
    affects: tuple[Affected, ...] = ()
    properties: tuple[Property, ...] = ()


Item = Json | NamedComponent | FoundVulnerability


def our_property(name: str, value: str) -> Property:
    """A property of ours."""
    return Property(f"scanmatrix:{name}", value)


def component(name: str, version: str, ref: str, purl: str, scans: tuple[Property, ...]) -> NamedComponent | Json:
    """A component that only findings name; as JSON, to be made valid, where CycloneDX does not allow it.

    Args:
        name: of the package.
        version: of it; empty when unknown.
        ref: its reference.
        purl: empty without one.
        scans: which found it.
    """
    made = NamedComponent("library", name, version, ref, purl, scans)
    return made if len(version) <= _LONGEST_VERSION else _plain(made)


def vulnerability(
    ref: str, finding: Finding, source: SaidBy, affects: tuple[Affected, ...], scan: tuple[Property, ...]
) -> FoundVulnerability | Json:
    """A vulnerability that findings report; as JSON, to be made valid, where CycloneDX does not allow it.

    Args:
        ref: its reference.
        finding: one of them.
        source: their scanner.
        affects: the components it is in, each once.
        scan: which found it.
    """
    cvss, valid = finding.cvss, True
    if cvss is None:
        rating = _Rating(source, finding.severity)
    else:
        method = _METHODS.get(cvss.version, "other")
        rating = _Rating(source, finding.severity, cvss.score, method, cvss.vector)
        valid = -_INFINITE < cvss.score < _INFINITE
    fix = finding.fixed_version
    made = FoundVulnerability(
        ref,
        finding.id,
        source,
        tuple([_Reference(alias, source) for alias in finding.aliases]) if finding.aliases else (),
        (rating,),
        finding.title,
        f"Upgrade to {fix}" if fix else "",
        affects,
        scan,
    )
    return made if valid else _plain(made)


def _plain(piece: NamedComponent | FoundVulnerability) -> Json:
    made: Json = msgspec.to_builtins(piece)
    return made
