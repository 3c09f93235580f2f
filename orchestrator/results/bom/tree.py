"""The BOM of one target as a graph: what is in it, what needs what, and which of it has vulnerabilities.

A BOM says little for certain: packages may need each other in a circle, be needed by nobody, or be listed without a
word on what they need. Each package is reached from some root here all the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from orchestrator.model import Severity
from orchestrator.results.errors import NoResultsError

#: Packages of a target that are shown; a document with more is downloaded.
MOST = 100_000


class BomNode(NamedTuple):
    """One package, or another component.

    Attributes:
        number: its place in the list of all.
        key: by what it is called; the same in every BOM that has it once.
        kind: its type, such as `library`.
        licences: as the document spells them.
        needs: places of what it needs, by their names.
        needed_by: places of what needs it.
        severity: the worst of its vulnerabilities; None for none.
        vulnerabilities: how many it has.
        is_root: whether a tree begins with it.
    """

    number: int
    key: str
    name: str
    version: str
    kind: str
    purl: str
    licences: tuple[str, ...] = ()
    needs: tuple[int, ...] = ()
    needed_by: tuple[int, ...] = ()
    severity: Severity | None = None
    vulnerabilities: int = 0
    is_root: bool = False


class _Licence(msgspec.Struct):
    license: dict[str, Any] = {}
    expression: str = ""


class _Component(msgspec.Struct, rename={"bom_ref": "bom-ref"}):
    name: str = ""
    version: str = ""
    type: str = ""
    purl: str = ""
    bom_ref: str = ""
    licenses: list[_Licence] = []
    components: list[_Component] = []


class _Dependency(msgspec.Struct, rename={"depends_on": "dependsOn"}):
    ref: str = ""
    depends_on: list[str] = []


class _Rating(msgspec.Struct):
    severity: str = ""


class _Affected(msgspec.Struct):
    ref: str = ""


class _Vulnerability(msgspec.Struct):
    ratings: list[_Rating] = []
    affects: list[_Affected] = []


class _Document(msgspec.Struct):
    components: list[_Component] = []
    dependencies: list[_Dependency] = []
    vulnerabilities: list[_Vulnerability] = []


def read_nodes(document: bytes) -> list[BomNode]:
    """Every component of a CycloneDX document, in the order of their names.

    Args:
        document: of one target, JSON.

    Raises:
        NoResultsError: it is damaged, or has too many components.
    """
    try:
        found = msgspec.json.decode(document, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoResultsError(f"the BOM cannot be read: {error}") from error
    components, places = _flat(found.components)
    needs: list[dict[int, None]] = [{} for _ in components]
    for dependency in found.dependencies:
        if (place := places.get(dependency.ref)) is not None:
            needs[place] |= {places[ref]: None for ref in dependency.depends_on if ref in places}
    for place, each in enumerate(components):
        needs[place] |= {places[inner.bom_ref]: None for inner in each.components if inner.bom_ref in places}
        needs[place].pop(place, None)
    needed_by: list[list[int]] = [[] for _ in components]
    for place, others in enumerate(needs):
        for other in others:
            needed_by[other].append(place)
    roots = _roots(needs, needed_by)
    keys = _keys(components)
    counts, worst = _vulnerabilities(found.vulnerabilities, places)
    return [
        BomNode(
            number=place,
            key=keys[place],
            name=each.name,
            version=each.version,
            kind=each.type,
            purl=each.purl,
            licences=tuple(_spelt(licence) for licence in each.licenses),
            needs=tuple(sorted(needs[place])),
            needed_by=tuple(needed_by[place]),
            severity=worst.get(place),
            vulnerabilities=counts.get(place, 0),
            is_root=place in roots,
        )
        for place, each in enumerate(components)
    ]


def way_to(nodes: list[BomNode], number: int) -> list[BomNode]:
    """A shortest way from a root to a package: why it is there."""
    before: dict[int, int] = {number: -1}
    line = [number]
    for place in line:
        if nodes[place].is_root:
            way = [place]
            while (place := before[place]) >= 0:
                way.append(place)
            return [nodes[each] for each in way]
        for above in nodes[place].needed_by:
            if above not in before:
                before[above] = place
                line.append(above)
    return [nodes[number]]


def _flat(top: list[_Component]) -> tuple[list[_Component], dict[str, int]]:
    """All components, also those within others, by name; and the place of each reference."""
    every, waiting = [], list(top)
    while waiting:
        each = waiting.pop()
        every.append(each)
        waiting += each.components
        if len(every) > MOST:
            raise NoResultsError(f"the BOM has more than {MOST:,} components; download it")
    every.sort(key=lambda each: (each.name.lower(), each.version, each.bom_ref))
    return every, {each.bom_ref: place for place, each in reversed(list(enumerate(every))) if each.bom_ref}


def _keys(components: list[_Component]) -> list[str]:
    times: Counter[str] = Counter()
    keys = []
    for each in components:
        said = each.purl or f"{each.type} {each.name} {each.version}"
        keys.append(hashlib.blake2b(f"{said} {times[said]}".encode("utf-8", "replace"), digest_size=6).hexdigest())
        times[said] += 1
    return keys


def _roots(needs: list[dict[int, None]], needed_by: list[list[int]]) -> set[int]:
    """What nobody needs; and of what is then out of reach, because it goes round in a circle, the first of each."""
    roots = {place for place, above in enumerate(needed_by) if not above}
    reached: set[int] = set()
    _reach(sorted(roots), needs, reached)
    for place in range(len(needs)):
        if place not in reached:
            roots.add(place)
            _reach([place], needs, reached)
    return roots


def _reach(line: list[int], needs: list[dict[int, None]], reached: set[int]) -> None:
    reached.update(line)
    for place in line:
        new = needs[place].keys() - reached
        reached |= new
        line += new


def _vulnerabilities(found: list[_Vulnerability], places: dict[str, int]) -> tuple[dict[int, int], dict[int, Severity]]:
    counts: dict[int, int] = {}
    worst: dict[int, Severity] = {}
    known = set(Severity)
    for each in found:
        rated = [Severity(rating.severity) for rating in each.ratings if rating.severity in known]
        severity = max(rated, key=lambda one: one.rank, default=Severity.UNKNOWN)
        for place in {places[affected.ref] for affected in each.affects if affected.ref in places}:
            counts[place] = counts.get(place, 0) + 1
            worst[place] = max(worst.get(place, severity), severity, key=lambda one: one.rank)
    return counts, worst


def _spelt(licence: _Licence) -> str:
    named = licence.license.get("id") or licence.license.get("name") or licence.expression
    return str(named)[:200]
