"""Which components of a merged BOM are one package, although reports say unequally much of them."""

from typing import Any

from orchestrator.packages.ecosystems import bare, grouped
from orchestrator.packages.identity import Package, canonical

Json = dict[str, Any]

Place = tuple[str, str]
"""What makes a component the one it is: key and version of its package."""

NOWHERE: Place = ("", "\0")
# What may be a package although it has no package URL; of everything else (files, systems) the exact name counts.
_PACKAGES = frozenset({"application", "framework", "library"})


def package_of(component: Json) -> tuple[Package, Place]:
    """The package that a component is, and its place."""
    group, name, version, purl = (str(component.get(key) or "") for key in ("group", "name", "version", "purl"))
    package = canonical(purl, grouped(group, name), version)
    if package.purl or component.get("type") in _PACKAGES:
        return package, (package.key, package.version)
    return package, (f"{component.get('type')} {group} {name}", version)


class Names:
    """Places by what reports that say less may call them; where several could be meant, none is."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], Place] = {}
        self._vague: dict[tuple[str, str], Place] = {}

    def add(self, component: Json, package: Package, place: Place) -> None:
        """Make a component known by its names and versions."""
        group, name = (str(component.get(key) or "").lower() for key in ("group", "name"))
        names = {package.key, *package.names, *((f"{group}:{name}", f"{group}/{name}") if group else (name,))}
        for each in names:
            for version in _versions(package):
                if self._places.setdefault((each, version), place) != place:
                    self._places[each, version] = NOWHERE
        if package.vague or not package.purl:
            self._vague.setdefault((package.key, bare(package.version)), place)

    def of_key(self, package: Package) -> Place:
        """The place of a package with this key and version, with or without its epoch; `NOWHERE` without one."""
        return self._look_up((package.key,), package)

    def of_name(self, package: Package) -> Place:
        """The place of the package that is meant by its name alone; `NOWHERE` when that is not clear."""
        return self._look_up((package.key, *package.names), package)

    def vague(self, package: Package) -> Place:
        """The place of what was only a name so far, and may be this package; `NOWHERE` without one."""
        version = bare(package.version)
        return next((self._vague[each, version] for each in package.names if (each, version) in self._vague), NOWHERE)

    def _look_up(self, names: tuple[str, ...], package: Package) -> Place:
        for name in names:
            for version in _versions(package):
                found = self._places.get((name, version), NOWHERE)
                if found != NOWHERE and not _contradicts(package, found):
                    return found
        return NOWHERE


def _versions(package: Package) -> tuple[str, ...]:
    short = bare(package.version)
    return (package.version,) if short == package.version else (package.version, short)


def _contradicts(package: Package, other: Place) -> bool:
    """Whether a package of the same name is of another ecosystem, or has another epoch."""
    key, version = other
    if package.ecosystem and key.startswith("pkg:") and not key.startswith(f"pkg:{package.ecosystem}/"):
        return True
    return ":" in package.version and ":" in version and package.version != version
