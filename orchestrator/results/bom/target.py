"""What all scans of one target report of its components and vulnerabilities, merged into one CycloneDX component.

Two components of different scans are the same when they are the same package, as the merge decides it
(`orchestrator.packages`), or, without a package URL, by their group, name and version. A component keeps the content of
the first BOM that describes it, and says in `scanmatrix:scan` properties which scans found it. One that occurs several
times in a BOM (in several places of the image) stays as often.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from orchestrator.findings.interface import Report
from orchestrator.model import Finding, LedgerRow, Target
from orchestrator.packages.found import FoundPackages
from orchestrator.packages.identity import Package
from orchestrator.packages.resolve import Place
from orchestrator.results.bom.entries import (
    BomEntry,
    Json,
    ReportedVulnerability,
    SaidReport,
    nearest,
    own_property,
    strip_refs,
)
from orchestrator.results.bom.identity import identity
from orchestrator.results.bom.packages import Packages
from orchestrator.results.bom.pieces import Affected, Item, Property, SaidBy, component, our_property, vulnerability
from orchestrator.results.bom.validity import repair

# Components within components deeper than this are left out: no scanner nests them so, and readers give up on it.
_DEPTH = 32
# Pieces that are kept because further ones may say the same.
_MOST_SHARED = 4096
# Parts of a component that hold no references of their own; the rest is searched for them.
_PLAIN = frozenset({"properties", "hashes", "externalReferences", "components"})


class TargetBom:
    """Gathers the reports of one target, then joins them; every `bom-ref` in it begins with the target's id."""

    def __init__(self, target: Target, packages: FoundPackages | None = None) -> None:
        """Begin; `packages` knows those of findings, which others ask for as well."""
        self._target = target
        self.ref = target.id
        self._type = "application" if target.is_repository else "container"
        self._count = 0
        self._said: list[SaidReport] = []
        self.is_catalogued = False
        self._found = packages or FoundPackages()
        self._packages = Packages()
        self._top: list[BomEntry] = []
        self._by_place: dict[Place, list[BomEntry]] = {}
        self._cells: dict[str, str] = {}
        self._depends: dict[str, dict[str, None]] = {}
        self._together: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
        self._vulnerabilities: list[Json | ReportedVulnerability] = []
        self._properties: dict[tuple[str, ...], tuple[Property, ...]] = {}
        self._affected: dict[int, Affected] = {}

    def add(self, row: LedgerRow, report: Report | None) -> list[str]:
        """Add one cell.

        Returns:
            The places of the report that were left out or changed because they are not valid CycloneDX 1.6.
        """
        self._cells[row.scan] = row.outcome
        if report is None:
            return []
        if report.bom is None:
            self._gather_findings(row.scan, report)
            return []
        self.is_catalogued = True
        return self._gather_bom(row.scan, report.scanner, report.bom)

    def join(self) -> None:
        """Put together what was added, once all cells were."""
        self._packages.resolve()
        for said in self._said:
            if said.bom is None:
                self._add_findings(said)
            else:
                self._add_bom(said, said.bom)
        self._said.clear()
        for entries in self._by_place.values():
            for entry in entries:
                if entry.document is not None:
                    known = entry.document.get("properties") or []
                    entry.document["properties"] = [*known, *[own_property("scan", scan) for scan in entry.scans]]
        self._by_place.clear()

    def dependencies(self) -> list[Json]:
        """Who depends on whom, as the BOMs said; one that is listed as depending on nothing is known to."""
        return [{"ref": ref, "dependsOn": list(others)} for ref, others in self._depends.items()]

    def components(self, most: int) -> Iterator[list[Item]]:
        """What was found in the target, this many at a time, once it is joined."""
        waiting = iter(self._top)
        while some := list(islice(waiting, most)):
            yield [self._component(entry) if entry.document is None else entry.document for entry in some]

    def vulnerabilities(self, most: int) -> Iterator[list[Item]]:
        """Those of the target, this many at a time, once it is joined."""
        waiting = iter(self._vulnerabilities)
        while some := list(islice(waiting, most)):
            yield [self._vulnerability(each) if isinstance(each, ReportedVulnerability) else each for each in some]

    def component(self) -> Json:
        """The target as a component: its names, and how its cells ended; not what was found in it."""
        name, purl = identity(self._target)
        properties = [("reference", each.reference) for each in self._target.names]
        properties += [("owner", owner) for owner in dict.fromkeys(n.owner for n in self._target.names if n.owner)]
        properties += [("workload", workload) for workload in self._target.workloads]
        if not self._target.is_repository:
            properties += [("platform", str(self._target.platform))]
            properties += [("index", digest) for digest in self._target.indexes]
        properties += [(f"cell:{scan}", outcome) for scan, outcome in self._cells.items()]
        document: Json = {"type": self._type, "bom-ref": self._target.id, "name": name}
        if self._target.digest:
            document["version"] = self._target.digest
        if purl:
            document["purl"] = purl
        document["properties"] = [own_property(*each) for each in dict.fromkeys(properties)]
        return document

    @property
    def is_known(self) -> bool:
        """Whether the target was found: of one that could not be, there is nothing to write."""
        return not self._target.error

    def bare(self) -> Json:
        """The target with nothing in it: what is left when its content cannot be made valid."""
        return {"type": self._type, "bom-ref": self.ref, "name": identity(self._target)[0]}

    def _new_number(self) -> int:
        self._count += 1
        return self._count

    def _ref(self, number: int) -> str:
        """The reference of what has a number; 0 is the target."""
        return f"{self.ref}/{number}" if number else self.ref

    def _found_by(self, scans: tuple[str, ...]) -> tuple[Property, ...]:
        """The properties that name these scans; the same ones for all that the same scans found."""
        made = self._properties.get(scans)
        if made is None:
            made = self._properties[scans] = tuple([our_property("scan", scan) for scan in scans])
        return made

    def _add_scan(self, entry: BomEntry, scan: str) -> None:
        """Say that a scan found a component; entries found by the same ones share what says so."""
        if scan not in entry.scans:
            both = entry.scans, scan
            entry.scans = self._together.get(both) or self._together.setdefault(both, (*entry.scans, scan))

    # --- findings of scanners that write no BOM ---------------------------------------------------------------------

    def _gather_findings(self, scan: str, report: Report) -> None:
        """One vulnerability for all packages it is found in with the same severity, score and fix."""
        groups: dict[tuple[object, ...], list[Any]] = {}
        gather = self._packages.gather_found
        for finding, package in zip(report.findings, self._found.of(report.findings), strict=True):
            if finding.kind == "vulnerability" and finding.suppressed is None:
                rating = finding.cvss
                if rating is None:
                    alike: tuple[object, ...] = finding.id, finding.severity, finding.fixed_version
                else:
                    alike = finding.id, finding.severity, finding.fixed_version, rating.score, rating.vector
                if (known := groups.get(alike)) is not None:
                    known += finding, package
                else:
                    groups[alike] = [finding, package]
                gather(package)
        self._said.append(SaidReport(scan, SaidBy(report.scanner), self._found_by((scan,)), list(groups.values())))

    def _add_findings(self, said: SaidReport) -> None:
        # By identity: there is one object for each spelling of a package, which the number depends on alone.
        known: dict[int, int] = {}
        for found in said.findings:
            numbers = []
            for place in range(0, len(found), 2):
                package = found[place + 1]
                number = known.get(id(package))
                if number is None:
                    number = known[id(package)] = self._package(found[place], package, said.scan)
                numbers.append(number)
            affects = tuple(dict.fromkeys(numbers)) if len(numbers) > 1 else (numbers[0],)
            self._vulnerabilities.append(ReportedVulnerability(self._new_number(), said, found[0], affects))

    def _package(self, finding: Finding, package: Package, scan: str) -> int:
        """The number of the component a finding is about; that of the target where it names none."""
        if not finding.package and not finding.purl:
            return 0
        place = self._packages.place_found(package)
        known = self._by_place.get(place)
        if known:
            entry = known[0] if len(known) == 1 else nearest(known, finding.purl)
        else:
            name = finding.package or finding.purl
            entry = self._register(BomEntry(self._new_number(), name=name, version=finding.version), place)
            self._top.append(entry)
        if finding.purl:
            if entry.document is not None:
                entry.document.setdefault("purl", finding.purl)
            else:
                entry.purl = entry.purl or finding.purl
        self._add_scan(entry, scan)
        return entry.number

    def _register(self, entry: BomEntry, place: Place) -> BomEntry:
        self._by_place.setdefault(place, []).append(entry)
        return entry

    def _component(self, entry: BomEntry) -> Item:
        """A component that only findings name."""
        return component(entry.name, entry.version, self._ref(entry.number), entry.purl, self._found_by(entry.scans))

    def _vulnerability(self, found: ReportedVulnerability) -> Item:
        affects = tuple([self._affected.get(each) or self._affects(each) for each in found.affects])
        return vulnerability(self._ref(found.number), found.finding, found.said.source, affects, found.said.by)

    def _affects(self, number: int) -> Affected:
        """A component that vulnerabilities are in; one piece for many of them."""
        if len(self._affected) >= _MOST_SHARED:
            self._affected.clear()
        made = self._affected[number] = Affected(self._ref(number))
        return made

    # --- CycloneDX reports -------------------------------------------------------------------------------------------

    def _gather_bom(self, scan: str, scanner: str, bom: Json) -> list[str]:
        subject = (bom.get("metadata") or {}).get("component") or {}
        part: Json = {"bomFormat": "CycloneDX", "specVersion": "1.6"}
        part["components"] = [*(subject.get("components") or ()), *(bom.get("components") or ())]
        part |= {key: bom[key] for key in ("dependencies", "vulnerabilities") if bom.get(key)}
        changed = repair(part)
        for each in part.get("components", ()):
            self._packages.gather(each)
        subject_ref = str(subject.get("bom-ref") or "")
        self._said.append(SaidReport(scan, SaidBy(scanner), self._found_by((scan,)), bom=part, subject=subject_ref))
        return changed

    def _add_bom(self, said: SaidReport, part: Json) -> None:
        refs: dict[str, str] = {said.subject: self._target.id} if said.subject else {}
        seen: Counter[Place] = Counter()
        for each in part.get("components", ()):
            entry, new = self._merge(each, said.scan, refs, seen, depth=1)
            if new:
                self._top.append(entry)
        for dependency in part.get("dependencies", ()):
            if (ref := refs.get(dependency["ref"])) is not None:
                others = [refs[other] for other in dependency.get("dependsOn") or () if other in refs]
                self._depends.setdefault(ref, {}).update(dict.fromkeys(others))
        for each in part.get("vulnerabilities", ()):
            self._take_over(each, said.scan, said.source.name, refs)

    def _merge(
        self, component: Json, scan: str, refs: dict[str, str], seen: Counter[Place], depth: int
    ) -> tuple[BomEntry, bool]:
        """Find the component among those known, or make it known, nested ones likewise; tells whether it is new."""
        old = component.pop("bom-ref", None)
        nested = component.pop("components", None) or ()
        for name, value in component.items():
            if name not in _PLAIN:
                strip_refs(value)
        place = self._packages.place(component)
        known = self._by_place.get(place, [])
        new = seen[place] >= len(known)
        entry = self._register(BomEntry(self._new_number()), place) if new else known[seen[place]]
        seen[place] += 1
        own = self._ref(entry.number)
        if entry.document is None:  # this report describes it; of what a finding said only the package URL may be news
            component["bom-ref"] = own
            entry.document = component
            purl = entry.purl
        else:
            purl = str(component.get("purl") or "")
        if purl:
            entry.document.setdefault("purl", purl)
        if old:
            refs[old] = own
        self._add_scan(entry, scan)
        inner = [self._merge(each, scan, refs, seen, depth + 1) for each in nested if depth < _DEPTH]
        if fresh := [each.document for each, is_new in inner if is_new]:
            entry.document.setdefault("components", []).extend(fresh)
        return entry, new

    def _take_over(self, vulnerability: Json, scan: str, scanner: str, refs: dict[str, str]) -> None:
        """A BOM's own vulnerability, its references turned into ours; one that leads nowhere is about the target."""
        strip_refs(vulnerability)
        affects: dict[str, Json] = {}
        for affect in vulnerability.get("affects") or ():
            ref = affect["ref"]
            if not ref.startswith("urn:cdx:"):
                ref = refs.get(ref, self._target.id)
            affects.setdefault(ref, {**affect, "ref": ref})
        if not affects:
            affects[self._target.id] = {"ref": self._target.id}
        vulnerability["bom-ref"] = self._ref(self._new_number())
        vulnerability["affects"] = list(affects.values())
        vulnerability.setdefault("source", {"name": scanner})
        vulnerability["properties"] = [*(vulnerability.get("properties") or ()), own_property("scan", scan)]
        self._vulnerabilities.append(vulnerability)
