"""Which components of a CycloneDX document a vulnerability is about, and what it says of their installed versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from urllib.parse import unquote

from orchestrator.findings.cyclonedx_analysis import UNAFFECTED, most_cautious, status_of, word_of
from orchestrator.kit.version_ranges import constraints_of, in_range, is_later, is_same
from orchestrator.model import VexStatus
from orchestrator.packages.ecosystems import WITH_EPOCH, is_purl, type_in
from orchestrator.packages.identity import canonical
from orchestrator.packages.purls import read_purl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from packageurl import PackageURL

    from orchestrator.findings.cyclonedx_analysis import Affect, AffectedVersion

C = TypeVar("C")

_BOM_LINK = "urn:cdx:"


class Installed(NamedTuple):
    """What a reference leads to.

    Attributes:
        group: of a component without a package URL.
        location: where it lies; empty when unknown.
        ref: its reference; empty for what is no component of the document.
    """

    name: str = ""
    version: str = ""
    purl: str = ""
    group: str = ""
    location: str = ""
    ref: str = ""

    @property
    def ecosystem(self) -> str:
        """Type of the package URL; empty without one."""
        return type_in(self.purl) if is_purl(self.purl) else ""

    @property
    def whole_version(self) -> str:
        """The version to compare: with the epoch that Trivy gives in the package URL alone (`?epoch=1`)."""
        if self.ecosystem not in WITH_EPOCH:
            return self.version
        return canonical(self.purl, self.name, self.version).version


class Inventory(Generic[C]):
    """The components of a document by what they may be referred to by.

    Args:
        components: all of them with their references, nested ones too.
        package_of: what a component is; asked only for those that something refers to.
        lists_packages: whether the document lists what is installed: then a package that is not in it is not.
    """

    def __init__(
        self,
        components: Iterable[tuple[str, C]],
        package_of: Callable[[C, str], Installed],
        *,
        lists_packages: bool,
    ) -> None:
        self._all = list(components)
        self._by_ref = {ref: component for ref, component in self._all if ref}
        self._package_of = package_of
        self._lists_packages = lists_packages
        self._by_package: dict[str, list[tuple[PackageURL, Installed]]] | None = None

    def find(self, ref: str) -> Sequence[Installed]:
        """The components of a reference: a `bom-ref`, a BOM-Link (`urn:cdx:serial/version#ref`), or a package URL.

        Returns:
            Several where a package URL without version stands for all that are installed; none for a package that is
            not among those listed. What leads nowhere else is a component of its own, known by its reference alone.
        """
        if ref not in self._by_ref and ref.startswith(_BOM_LINK) and "#" in ref:
            ref = unquote(ref.split("#", 1)[1])
        if (found := self._by_ref.get(ref)) is not None:
            return (self._package_of(found, ref),)
        purl = read_purl(ref)
        if purl is None:
            return (Installed(name=ref, purl=ref if is_purl(ref) else ""),)
        packages = [
            each for other, each in self._packages().get(canonical(ref, "", "").key, ()) if _means(purl, other, each)
        ]
        if packages or self._lists_packages:
            return packages
        return (Installed(purl.name, purl.version or "", ref),)

    def linked(self, affects: list[Any]) -> list[Any]:
        """The `affects` of a vulnerability with the references of components in place of their package URLs.

        What leads to a package that is not there is left out: in a merged BOM it would be about the whole target.
        """
        found = []
        for affect in affects:
            ref = affect.get("ref") if isinstance(affect, dict) else None
            if not isinstance(ref, str) or ref in self._by_ref or "pkg:" not in unquote(ref):
                found.append(affect)
                continue
            found += [{**affect, "ref": each.ref} if each.ref else affect for each in self.find(ref)]
        return found

    def _packages(self) -> dict[str, list[tuple[PackageURL, Installed]]]:
        """All components with a package URL, by package whatever its version; made when it is first needed."""
        if self._by_package is None:
            self._by_package = {}
            for installed in [self._package_of(component, ref) for ref, component in self._all]:
                if installed.purl and (purl := read_purl(installed.purl)):
                    self._by_package.setdefault(canonical(installed.purl, "", "").key, []).append((purl, installed))
        return self._by_package


def judge(affect: Affect, installed: Installed, state: VexStatus | None, *, mixed: bool) -> VexStatus | None:
    """What a vulnerability says of a component in the version that is installed.

    Args:
        affect: the reference that led to it, with versions.
        installed: the component.
        state: of the analysis; None for none.
        mixed: as `is_mixed` says.

    Returns:
        None where only other versions are listed as affected: nothing is said of this one.
    """
    versions = [each for each in affect.versions or () if each.version or each.range]
    if not versions or not installed.version:
        return status_of(state, None, mixed=mixed)
    among = [(each, is_listed(each, installed.whole_version, installed.ecosystem)) for each in versions]
    matched = [each for each, listed in among if listed]
    if matched:
        return most_cautious(status_of(state, each.status, mixed=mixed) for each in matched)
    if all(word_of(each.status) == UNAFFECTED for each in versions):
        return VexStatus.AFFECTED
    return None if all(listed is False for _, listed in among) else VexStatus.AFFECTED


def is_listed(listed: AffectedVersion, version: str, ecosystem: str) -> bool | None:
    """Whether a version is the one that is listed, or in the range; None when it cannot be said."""
    if listed.range:
        return in_range(listed.range, version, ecosystem)
    return listed.version == "*" or is_same(listed.version or "", version, ecosystem)


def fixes(affect: Affect, installed: Installed) -> list[str]:
    """Versions that are listed as unaffected, and are not older than the installed one; of ranges where they begin."""
    found: dict[str, None] = {}
    for each in affect.versions or ():
        if word_of(each.status) == UNAFFECTED:
            found |= dict.fromkeys([each.version] if each.version else _beginnings(each.range or ""))
    if not found:
        return []
    ecosystem, version = installed.ecosystem, installed.whole_version
    return [each for each in found if each != "*" and (not version or is_later(each, version, ecosystem) is not False)]


def _beginnings(text: str) -> list[str]:
    try:
        return [each.version for each in constraints_of(text) if each.comparator in {">=", "="}]
    except ValueError:
        return []


def _means(ref: PackageURL, other: PackageURL, installed: Installed) -> bool:
    """Whether a package URL stands for a component: in its version, where it gives one, and not of another kind."""
    said, has = dict(ref.qualifiers or {}), dict(other.qualifiers or {})
    if any(has.get(key, value) != value for key, value in said.items()):
        return False
    if not ref.version:
        return True
    versions = {other.version or "", installed.version}
    return ref.version in versions or any(is_same(ref.version, each, ref.type) for each in versions if each)
