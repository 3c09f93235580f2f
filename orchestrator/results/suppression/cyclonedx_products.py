"""The structure of CycloneDX VEX documents, and what their references mean: targets, and packages in them."""

from __future__ import annotations

import msgspec

from orchestrator.model import VexProduct
from orchestrator.results.suppression.targets import bom_link, is_target

_DIGESTS = ("sha256:", "sha512:")


class _Part(msgspec.Struct, rename="camel"):
    """A partial structure of the document; what it does not name is skipped unread."""


class Component(_Part):
    """A package, or a target (`container`, or an `application` that is a repository)."""

    name: str = ""
    type: str = ""
    group: str | None = None
    version: str | None = None
    purl: str | None = None
    bom_ref: str | None = msgspec.field(name="bom-ref", default=None)
    components: list[Component] | None = None


class Metadata(_Part):
    """What the document is about."""

    timestamp: str | None = None
    component: Component | None = None


class Analysis(_Part):
    """What is said of a vulnerability (`vulnerabilities[].analysis`)."""

    state: str | None = None
    justification: str | None = None
    detail: str | None = None
    first_issued: str | None = None
    last_updated: str | None = None


class Version(_Part):
    """Versions of what is affected."""

    version: str | None = None
    range: str | None = None
    status: str | None = None


class Affect(_Part):
    """One thing that is affected, by its reference."""

    ref: str
    versions: list[Version] | None = None


class Reference(_Part):
    """Another id of the vulnerability."""

    id: str | None = None


class Vulnerability(_Part):
    """One vulnerability, a statement when it has an analysis."""

    id: str | None = None
    references: list[Reference] | None = None
    analysis: Analysis | None = None
    affects: list[Affect] | None = None


class Document(_Part):
    """As much of a document as statements need."""

    spec_version: str
    serial_number: str | None = None
    version: int = 0
    metadata: Metadata | None = None
    components: list[Component] | None = None
    vulnerabilities: list[Vulnerability] | None = None


class Products:
    """What the references of a document mean."""

    def __init__(self, document: Document) -> None:
        self._serial = (document.serial_number or "").removeprefix("urn:uuid:").casefold()
        self._by_ref: dict[str, tuple[VexProduct, ...]] = {}
        self._whole: tuple[VexProduct, ...] = ()
        subject = document.metadata.component if document.metadata else None
        if subject is not None:
            self._whole = _whole(subject)
            self._know(subject, self._whole)
        enclosing = _target(subject) if subject is not None else ""
        for component in [*((subject and subject.components) or ()), *(document.components or ())]:
            self._add(component, enclosing)

    def of(self, affects: list[Affect] | None) -> tuple[tuple[VexProduct, ...], list[str]]:
        """What the references mean, and ranges of versions, which are left out; without any, the document's subject."""
        if not affects:
            return self._whole, []
        found: dict[VexProduct, None] = {}
        ranges: list[str] = []
        for affect in affects:
            products = self._mean(affect.ref)
            ranges += [each.range for each in affect.versions or () if each.range and each.status != "unaffected"]
            listed = [each for each in affect.versions or () if each.status != "unaffected"]
            versions = [each.version for each in listed if each.version]
            if not affect.versions:
                found |= dict.fromkeys(products)
            else:
                found |= dict.fromkeys(_pinned(product, version) for product in products for version in versions)
        return tuple(found), ranges

    def _mean(self, ref: str) -> tuple[VexProduct, ...]:
        link = bom_link(ref)
        if link and link[0] != self._serial:
            ref = link[1] if link[1].startswith("pkg:") else ref
        elif link:
            ref = link[1]
        if ref in self._by_ref:
            return self._by_ref[ref]
        if ref.startswith("pkg:") and not is_target(ref):
            return (VexProduct(package=ref),)
        # Of another document, which is not here: at best the name of a target.
        return (VexProduct(target=ref),)

    def _add(self, component: Component, enclosing: str) -> None:
        """Know a component and those in it; an image or a repository is a target, whatever it is in."""
        is_repository = component.type == "application" and component.purl and is_target(component.purl)
        if component.type == "container" or is_repository:
            self._know(component, _whole(component))
            enclosing = _target(component)
        else:
            package = component.purl or component.name
            version = "" if component.purl else component.version or ""
            self._know(component, (VexProduct(target=enclosing, package=package, version=version),))
        for inner in component.components or ():
            self._add(inner, enclosing)

    def _know(self, component: Component, products: tuple[VexProduct, ...]) -> None:
        for ref in filter(None, (component.bom_ref, component.purl)):
            self._by_ref.setdefault(ref, products)


def _whole(subject: Component) -> tuple[VexProduct, ...]:
    """The subject itself: a target, or a package in any target."""
    product = VexProduct(target=_target(subject))
    package = VexProduct(package=subject.purl) if subject.purl and not is_target(subject.purl) else None
    return (product, package) if package else (product,)


def _target(subject: Component) -> str:
    """The subject as a target: its package URL, or its name and version as an image has them."""
    if subject.purl:
        return subject.purl
    name = f"{subject.group}/{subject.name}" if subject.group else subject.name
    if not subject.version:
        return name
    return f"{name}@{subject.version}" if subject.version.startswith(_DIGESTS) else f"{name}:{subject.version}"


def _pinned(product: VexProduct, version: str) -> VexProduct:
    """The same product in one version."""
    if not product.package:
        return VexProduct(target=_with_version(product.target, version)) if product.target else product
    if product.package.startswith("pkg:"):
        return msgspec.structs.replace(product, package=_with_version(product.package, version))
    return msgspec.structs.replace(product, version=version)


def _with_version(text: str, version: str) -> str:
    from packageurl import PackageURL  # noqa: PLC0415 - only where a document lists versions

    if text.startswith("pkg:"):
        try:
            purl = PackageURL.from_string(text)
        except ValueError:
            return text
        return PackageURL(purl.type, purl.namespace, purl.name, version, purl.qualifiers).to_string()
    head, slash, last = text.rpartition("/")
    return f"{head}{slash}{last.partition('@')[0].partition(':')[0]}:{version}"
