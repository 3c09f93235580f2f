"""The structure of CycloneDX VEX documents, and what their references mean: targets, and packages in them."""

from __future__ import annotations

import msgspec

from orchestrator.analysis.suppression.targets import bom_link, is_target, unmatchable
from orchestrator.analysis.suppression.vex_document import VexDocument, unknown
from orchestrator.findings.cyclonedx_analysis import STATUSES, Affect, AffectedVersion, status_of, word_of
from orchestrator.kit.digests import DIGEST_PREFIXES
from orchestrator.kit.version_ranges import constraints_of
from orchestrator.model import VexProduct, VexStatus
from orchestrator.packages.ecosystems import grouped, is_purl
from orchestrator.packages.purls import read_purl


class _Part(msgspec.Struct, rename="camel"):
    """A partial structure of the document; what it does not name is skipped unread."""


class BomComponent(_Part):
    """A package, or a target (`container`, or an `application` that is a repository)."""

    name: str = ""
    type: str = ""
    group: str | None = None
    version: str | None = None
    purl: str | None = None
    bom_ref: str | None = msgspec.field(name="bom-ref", default=None)
    components: list[BomComponent] | None = None


class BomMetadata(_Part):
    """What the document is about."""

    timestamp: str | None = None
    component: BomComponent | None = None


class Analysis(_Part):
    """What is said of a vulnerability (`vulnerabilities[].analysis`)."""

    state: str | None = None
    justification: str | None = None
    detail: str | None = None
    first_issued: str | None = None
    last_updated: str | None = None


class ExternalReference(_Part):
    """Another id of the vulnerability."""

    id: str | None = None


class Vulnerability(_Part):
    """One vulnerability, a statement when it has an analysis."""

    id: str | None = None
    references: list[ExternalReference] | None = None
    analysis: Analysis | None = None
    affects: list[Affect] | None = None


class Products:
    """What the references of a document mean.

    Args:
        serial: `serialNumber` of the document; empty without one.
        subject: what the document is about (`metadata.component`).
        components: of the document.

    Attributes:
        whole: the subject itself; nothing without one.
    """

    def __init__(self, serial: str, subject: BomComponent | None, components: list[BomComponent]) -> None:
        self._serial = serial.removeprefix("urn:uuid:").casefold()
        self._by_ref: dict[str, tuple[VexProduct, ...]] = {}
        self.whole: tuple[VexProduct, ...] = ()
        if subject is not None:
            self.whole = _whole(subject)
            self._know(subject, self.whole)
        enclosing = _target(subject) if subject is not None else ""
        for component in [*((subject and subject.components) or ()), *components]:
            self._add(component, enclosing)

    def of(
        self, affects: list[Affect], state: VexStatus, place: str, result: VexDocument, *, mixed: bool
    ) -> dict[VexStatus, dict[VexProduct, None]]:
        """What references and versions mean, by what is said of them.

        Args:
            affects: of the vulnerability.
            state: of its analysis.
            place: the vulnerability, for notes.
            result: is given the notes and mistakes.
            mixed: as `is_mixed` says.
        """
        found: dict[VexStatus, dict[VexProduct, None]] = {}
        for affect in affects:
            products = self._mean(affect.ref, place, result)
            if not affect.versions:
                found.setdefault(status_of(state, None, mixed=mixed), {}).update(dict.fromkeys(products))
            for listed in affect.versions or ():
                if products and (pinned := _listed(products, listed, place, result)):
                    found.setdefault(status_of(state, listed.status, mixed=mixed), {}).update(dict.fromkeys(pinned))
        return {status: about for status, about in found.items() if about}

    def _mean(self, ref: str, place: str, result: VexDocument) -> tuple[VexProduct, ...]:
        link = bom_link(ref)
        if link and link[0] != self._serial:
            ref = link[1] if is_purl(link[1]) else ref
        elif link:
            ref = link[1]
        if ref in self._by_ref:
            return self._by_ref[ref]
        if wrong := unmatchable(ref):
            result.note(place, wrong)
            return ()
        if link and not is_purl(ref):
            result.note(place, f"it refers to another document, which is not here: {ref}")
        if is_purl(ref) and not is_target(ref):
            return (VexProduct(package=ref),)
        # Of another document, which is not here: at best the name of a target.
        return (VexProduct(target=ref),)

    def _add(self, component: BomComponent, enclosing: str) -> None:
        """Know a component and those in it; an image or a repository is a target, whatever it is in."""
        is_repository = component.type == "application" and component.purl and is_target(component.purl)
        if component.type == "container" or is_repository:
            self._know(component, _whole(component))
            enclosing = _target(component)
        else:
            package = component.purl or grouped(component.group or "", component.name)
            version = "" if component.purl else component.version or ""
            self._know(component, (VexProduct(target=enclosing, package=package, version=version),))
        for inner in component.components or ():
            self._add(inner, enclosing)

    def _know(self, component: BomComponent, products: tuple[VexProduct, ...]) -> None:
        for ref in filter(None, (component.bom_ref, component.purl)):
            self._by_ref.setdefault(ref, products)


def _whole(subject: BomComponent) -> tuple[VexProduct, ...]:
    """The subject itself: a target, or a package in any target."""
    product = VexProduct(target=_target(subject))
    package = VexProduct(package=subject.purl) if subject.purl and not is_target(subject.purl) else None
    return (product, package) if package else (product,)


def _target(subject: BomComponent) -> str:
    """The subject as a target: its package URL, or its name and version as an image has them."""
    if subject.purl:
        return subject.purl
    name = f"{subject.group}/{subject.name}" if subject.group else subject.name
    if not subject.version:
        return name
    return f"{name}@{subject.version}" if subject.version.startswith(DIGEST_PREFIXES) else f"{name}:{subject.version}"


def _listed(
    products: tuple[VexProduct, ...], listed: AffectedVersion, place: str, result: VexDocument
) -> list[VexProduct]:
    """The products in the version, or the range, that is listed; none, and a mistake, where it cannot be read."""
    if listed.status and word_of(listed.status) not in STATUSES:
        result.mistake(place, f"{unknown('status', listed.status, STATUSES)}; it is taken for unknown")
    if listed.range:
        try:
            constraints_of(listed.range)
        except ValueError as error:
            result.mistake(place, f"versions are left out: {error}")
            return []
        return [msgspec.structs.replace(_pinned(each, ""), range=listed.range) for each in products]
    if not listed.version:
        result.mistake(place, "versions are left out: an entry has neither `version` nor `range`")
        return []
    return [_pinned(each, "" if listed.version == "*" else listed.version) for each in products]


def _pinned(product: VexProduct, version: str) -> VexProduct:
    """The same product in one version; in any, where it is empty."""
    if not product.package:
        return VexProduct(target=_with_version(product.target, version)) if product.target else product
    if is_purl(product.package):
        return msgspec.structs.replace(product, package=_with_version(product.package, version))
    return msgspec.structs.replace(product, version=version)


def _with_version(text: str, version: str) -> str:
    if is_purl(text):
        if (purl := read_purl(text)) is None:
            return text
        kind, namespace, name, _, qualifiers, subpath = purl
        return type(purl)(kind, namespace, name, version or None, qualifiers, subpath).to_string()
    head, slash, last = text.rpartition("/")
    return f"{head}{slash}{last.partition('@')[0].partition(':')[0]}" + (f":{version}" if version else "")
