"""Which packages of one target are the same although scanners say unequally much of them.

A package without a package URL is the one of that name and version that another scanner gives a package URL; one
without a version is the only one of its name; a Debian, RPM or Arch version without epoch is the one with epoch. Where
several could be meant, none is taken: two rows of one thing are better than one row of two.
"""

from collections import defaultdict
from collections.abc import Sequence

from orchestrator.packages.ecosystems import bare
from orchestrator.packages.identity import Package

Place = tuple[str, str]
"""Key and version of a package."""

_RANKS = 5


class _Index:
    """Places by what other scanners may call them."""

    def __init__(self, wanted: set[str]) -> None:
        """Keep only these names and keys: nobody will ask for others."""
        self._wanted = wanted
        self._places: dict[tuple[str, str], set[Place]] = defaultdict(set)

    def add(self, package: Package) -> None:
        """Make it known by its names and versions."""
        key, version = package.key, package.version
        for name in (key, *package.names):
            if name in self._wanted and version:
                for each in (version, "") if (short := bare(version)) == version else (version, short, ""):
                    self._places[name, each].add((key, version))

    def only(self, name: str, version: str) -> Place | None:
        """The one place of that name and version; None when there is none, or more than one."""
        found = self._places.get((name, version), ())
        return next(iter(found)) if len(found) == 1 else None


def resolve(packages: Sequence[Package]) -> dict[Place, Place]:
    """Say where each package belongs that another one describes better.

    Args:
        packages: all of one target, in any order.

    Returns:
        The better place by the place; packages that are best described as they are do not occur.
    """
    ranks: list[dict[Place, Package]] = [{} for _ in range(_RANKS)]
    with_epoch: list[Package] = []
    for package in packages:
        ranks[_rank(package)].setdefault((package.key, package.version), package)
        if ":" in package.version and not package.vague:
            with_epoch.append(package)
    wanted = {name for rank in ranks[1:] for package in rank.values() for name in (package.key, *package.names)}
    wanted.update(package.key for package in with_epoch)
    if not wanted:
        return {}
    index, better = _Index(wanted), dict[Place, Place]()
    for package in with_epoch:
        index.add(package)
    for rank in ranks:
        unmoved = []
        for place, package in rank.items():
            if package.key in wanted and (found := _look_up(package, index)) and found != place:
                better[place] = found
            else:
                unmoved.append(package)
        for package in unmoved:
            index.add(package)
    return better


def _rank(package: Package) -> int:
    """How little is said of a package, which may be one of a lower rank: a package URL, then an epoch, says more."""
    if not package.version:
        return _RANKS - 1
    if not package.vague:
        return 0
    return 1 if package.purl else 3 - (":" in package.version)


def _look_up(package: Package, index: _Index) -> Place | None:
    names = (package.key, *package.names) if package.vague else (package.key,)
    versions = dict.fromkeys((package.version, bare(package.version)))
    for name in names:
        for version in versions:
            found = index.only(name, version)
            if found and not _contradicts(package, found):
                return found
    return None


def _contradicts(package: Package, other: Place) -> bool:
    """Whether a package of the same name is of another ecosystem, or has another epoch."""
    key, version = other
    if package.ecosystem and not key.startswith(f"pkg:{package.ecosystem}/"):
        return True
    return ":" in package.version and ":" in version and package.version != version
