"""The findings of all scans of one target, merged: one row for each thing, whichever scanner found it.

A row is, of vulnerabilities, one CVE (`names.py`) of one package (`orchestrator.packages`) in one version; where
there is no package, of one location. Of other kinds it is one id, or alias, of one package and location.

Nothing depends on the order of findings within a report: where scans differ, the first of them in the order given
decides, and within a scan the first text in alphabetical order. Time and memory are linear in the findings.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from orchestrator.analysis.merge.names import Pair, by_alias, by_vulnerability
from orchestrator.analysis.merge.rows import Rows
from orchestrator.model import KINDS, Finding, MergedFinding, Outcome
from orchestrator.packages.found import FoundPackages
from orchestrator.packages.identity import NOTHING, Package
from orchestrator.packages.keys import rootless
from orchestrator.packages.resolve import Place, resolve

_VULNERABILITY = "vulnerability"
_ORDER = {kind: number for number, kind in enumerate(KINDS)}


class CellFindings(NamedTuple):
    """What one scan says of the target.

    Attributes:
        scan: its name.
        outcome: how it ended; findings count only where it is ok.
        kinds: the kinds of findings that it looks for.
        findings: as reported, in any order.
    """

    scan: str
    outcome: Outcome
    kinds: frozenset[str]
    findings: Sequence[Finding] = ()


def merge(target: str, cells: Sequence[CellFindings]) -> list[MergedFinding]:
    """Merge what the scans of one target found.

    Args:
        target: its id.
        cells: its scans, in the plan's order.

    Returns:
        By kind (in the order of `KINDS`), package, version and id, or location and id. Not yet set are `first_seen`,
        `epss`, `kev`, `vex`, `suppressed` and `rules`.
    """
    return list(merge_rows(target, cells))


def merge_rows(
    target: str, cells: Sequence[CellFindings], known: FoundPackages | None = None
) -> Iterator[MergedFinding]:
    """The same, row by row: only what the rows are made of is in memory at once.

    Args:
        target: as of `merge`.
        cells: likewise.
        known: packages of the target, as far as they are known already; forgets them.
    """
    known = known or FoundPackages()
    packages_of = [known.of(cell.findings) for cell in cells]
    known.forget()
    of_packages, others = _gather(cells, packages_of)

    def found() -> Iterator[tuple[int, Package]]:
        yield from ((pairs[0][0], package) for package, pairs in of_packages)
        yield from ((pair[0], package) for package, pair in others if package is not NOTHING)

    packages = _Packages(found)
    rows = Rows(target, [(cell.scan, cell.outcome is Outcome.OK, cell.kinds) for cell in cells])
    by_place: dict[Place, list[Pair]] = {}
    mixed: set[Place] = set()  # packages of several spellings, whose findings are not in the order of the scans
    for package, pairs in of_packages:
        place = packages.place(package)
        if (there := by_place.setdefault(place, pairs)) is not pairs:
            there += pairs
            mixed.add(place)
    of_packages.clear()
    for place in sorted(by_place):
        package, pairs = packages.at(place), by_place.pop(place)
        if place in mixed:
            pairs.sort(key=itemgetter(0))
        units = by_vulnerability(pairs)
        for name in sorted(units):
            yield rows.row(_VULNERABILITY, name, package, "", units[name])
    groups: dict[tuple[int, str, Place, str], list[Pair]] = {}
    for package, pair in others:
        kind, location = pair[1].kind, rootless(pair[1].location)
        groups.setdefault((_ORDER.get(kind, len(KINDS)), kind, packages.place(package), location), []).append(pair)
    others.clear()
    for group in sorted(groups):
        _, kind, place, location = group
        pairs = groups.pop(group)
        units = by_vulnerability(pairs) if kind == _VULNERABILITY else by_alias(pairs)
        for name in sorted(units):
            yield rows.row(kind, name, packages.at(place), location, units[name])


def _gather(
    cells: Sequence[CellFindings], packages_of: Sequence[Sequence[Package]]
) -> tuple[list[tuple[Package, list[Pair]]], list[tuple[Package, Pair]]]:
    """Vulnerabilities by package, and all other findings with the package they are about; scan by scan."""
    # By identity, which is cheaper than to compare packages: one of two spellings meets the other at their place.
    of_packages: dict[int, tuple[Package, list[Pair]]] = {}
    others: list[tuple[Package, Pair]] = []
    for number, (cell, packages) in enumerate(zip(cells, packages_of, strict=True)):
        if cell.outcome is not Outcome.OK:
            continue
        for package, finding in zip(packages, cell.findings, strict=True):
            if finding.kind != _VULNERABILITY or package is NOTHING:
                others.append((package, (number, finding)))
            elif (pairs := of_packages.get(id(package))) is not None:
                pairs[1].append((number, finding))
            else:
                of_packages[id(package)] = package, [(number, finding)]
    return list(of_packages.values()), others


class _Packages:
    """The packages of one target, each at its place: what makes it the one it is."""

    def __init__(self, found: Callable[[], Iterator[tuple[int, Package]]]) -> None:
        """Take them with the numbers of the scans that report them; where these differ, the first one's text holds."""
        self._better = resolve([package for _, package in found()])
        self._at: dict[Place, tuple[int, Package]] = {}
        # Where there is a choice: what the first scan calls it.
        self._labels: dict[Place, tuple[int, str]] = {}
        for number, package in found():
            own = package.key, package.version
            place = self._better.get(own, own)
            # Only what is at home there knows its package URL.
            known = self._at.get(place) if place == own else None
            if place == own and known is None:
                self._at[place] = number, package
                continue
            if known is not None and (number, package) < known:
                self._at[place] = number, package
            candidates = [(number, package.label), *([(known[0], known[1].label)] if known else ())]
            self._labels[place] = min(*candidates, self._labels.get(place, candidates[0]))

    def place(self, package: Package) -> Place:
        """Where a package belongs."""
        place = package.key, package.version
        return self._better.get(place, place)

    def at(self, place: Place) -> Package:
        """The package at a place, by the name that the first scan calls it."""
        if place not in self._at:
            return NOTHING
        number, package = self._at[place]
        label = min((number, package.label), self._labels.get(place, (number, package.label)))[1]
        return package if package.label == label else package._replace(label=label)
