"""Which components of a merged BOM are one package: the same as in the merged findings, by `orchestrator.packages`."""

from collections.abc import Iterator
from typing import Any

from orchestrator.packages.ecosystems import grouped
from orchestrator.packages.identity import Package, canonical
from orchestrator.packages.resolve import Place, resolve

Json = dict[str, Any]

# What may be a package although it has no package URL; of everything else (files, systems) the exact name counts.
_PACKAGES = frozenset({"application", "framework", "library"})


class Packages:
    """The packages of one target, whichever report says most of each: all are gathered before the first is placed."""

    def __init__(self) -> None:
        # By identity, which is cheaper than to compare them: `canonical` gives one object for one spelling, mostly.
        self._found: dict[int, Package] = {}
        self._better: dict[Place, Place] = {}

    def gather(self, component: Json) -> None:
        """Take a component, and those nested in it."""
        for each in _with_nested(component):
            package = _package_of(each)
            if _may_be_another(each, package):
                self._found[id(package)] = package

    def gather_found(self, package: Package) -> None:
        """Take what a finding is about."""
        self._found[id(package)] = package

    def resolve(self) -> None:
        """Decide, of all that was gathered, which are one."""
        self._better = resolve(list(self._found.values()))
        self._found.clear()

    def place(self, component: Json) -> Place:
        """What makes a component the one it is."""
        package = _package_of(component)
        place = package.key, package.version
        if _may_be_another(component, package):
            return self._better.get(place, place)
        if component.get("type") in _PACKAGES:
            return place
        group, name = (str(component.get(key) or "") for key in ("group", "name"))
        return f"{component.get('type')} {group} {name}", str(component.get("version") or "")

    def place_found(self, package: Package) -> Place:
        """The same of what a finding is about."""
        place = package.key, package.version
        return self._better.get(place, place)


def _package_of(component: Json) -> Package:
    group, name, version, purl = (str(component.get(key) or "") for key in ("group", "name", "version", "purl"))
    return canonical(purl, grouped(group, name), version)


def _may_be_another(component: Json, package: Package) -> bool:
    """Whether another report may say better what it is.

    One with neither a package URL nor a version stands for a file of packages as often as for one (`Node.js` of Trivy).
    """
    return bool(package.purl) or (component.get("type") in _PACKAGES and bool(package.version))


def _with_nested(component: Json) -> Iterator[Json]:
    waiting = [component]
    while waiting:
        component = waiting.pop()
        yield component
        waiting += component.get("components") or ()
