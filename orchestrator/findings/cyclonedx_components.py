"""A component of a CycloneDX document as vulnerabilities need it: what package it is, and where it lies."""

from typing import Any

import msgspec

from orchestrator.findings.cyclonedx_affects import Installed
from orchestrator.packages.purls import read_purl

_PATH_PROPERTIES = ("syft:location:0:path", "aquasecurity:trivy:FilePath", "SrcFile")


class CycloneDxPart(msgspec.Struct, gc=False, rename="camel"):
    """A partial structure of the document; what it does not name is skipped unread."""


class ListedProperty(CycloneDxPart):
    """A name and a value that some tool gives a meaning."""

    name: str | None = None
    value: Any = None


class _Occurrence(CycloneDxPart):
    location: str | None = None


class _Evidence(CycloneDxPart):
    occurrences: list[_Occurrence] | None = None


class ListedComponent(CycloneDxPart):
    """A component or service, with those nested in it."""

    type: str | None = None
    name: str | None = None
    group: str | None = None
    version: str | None = None
    purl: str | None = None
    bom_ref: str | None = msgspec.field(name="bom-ref", default=None)
    properties: list[ListedProperty] | None = None
    evidence: _Evidence | None = None
    components: list["ListedComponent"] | None = None


def flat(waiting: list[ListedComponent]) -> list[ListedComponent]:
    """Components and all that are nested in them, the last ones first; the list is used up."""
    if not any(each.components for each in waiting):
        return waiting[::-1]
    found = []
    while waiting:
        found.append(component := waiting.pop())
        waiting += component.components or ()
    return found


def package_of(component: ListedComponent, ref: str) -> Installed:
    """The package that it is, by its own name or by that of its package URL; `ref` is what refers to it."""
    name, version, purl = component.name or "", component.version or "", component.purl or ""
    if purl and not (name and version):
        pinned = _from_purl(purl)
        name, version = name or pinned[0], version or pinned[1]
    return Installed(name, version, purl, component.group or "", _location(component), ref)


def _from_purl(purl: str) -> tuple[str, str]:
    parsed = read_purl(purl)
    return (parsed.name, parsed.version or "") if parsed else (purl, "")


def _location(component: ListedComponent) -> str:
    """Where the component lies: its evidence, else a property that Syft, Trivy or cdxgen is known to write."""
    for occurrence in (component.evidence.occurrences if component.evidence else None) or ():
        if occurrence.location:
            return occurrence.location
    found = {each.name: each.value for each in component.properties or () if each.name in _PATH_PROPERTIES}
    return next((str(found[key]) for key in _PATH_PROPERTIES if found.get(key)), "")
