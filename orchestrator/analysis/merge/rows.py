"""One row of the merged findings out of all that scans say of one thing."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from heapq import nsmallest
from typing import Any

import msgspec

from orchestrator.analysis.merge.names import Member, other_names
from orchestrator.model import BY_SCANNER, Cvss, Finding, MergedFinding, Severity, Suppressed
from orchestrator.model.finding import OWN_KIND
from orchestrator.model.merged import MOST_PLACES
from orchestrator.model.places import in_order
from orchestrator.packages.fixes import best_fix, is_plain
from orchestrator.packages.identity import Package
from orchestrator.packages.keys import finding_key, rootless
from orchestrator.packages.qualifiers import qualifiers_of

Spot = tuple[str, str]
"""A finding's location, and its place within."""

_RANKS = {severity: severity.rank for severity in Severity}
# Fields of findings that have a rule of their own here; of any other that rows have, too, the first scan's word holds.
_MERGED = frozenset(
    {"kind", "id", "aliases", "severity", "cvss", "title", "package", "version", "purl", "fixed_version", "suppressed"}
)
_CARRIED = {
    field.name: field.default
    for field in msgspec.structs.fields(Finding)
    if field.name in MergedFinding.__struct_fields__ and field.name not in _MERGED
}
# Suppressions that are named of one row, when each of its findings has one of its own.
_MOST_NAMED = 5
_MOST_SAYINGS = 10_000
# What parsers put behind a title; it is no longer true of a row of several places.
_LINE = re.compile(r" \(line \d+\)\Z")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Rows:
    """Makes the rows of one target."""

    def __init__(self, target: str, scans: Sequence[tuple[str, bool, frozenset[str]]]) -> None:
        """Begin.

        Args:
            target: its id.
            scans: of each scan, by its number: name, whether it ended ok, and the kinds it looks for.
        """
        self._target = target
        self._scans = scans
        self._names = [name for name, _, _ in scans]
        self._sayings: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}
        self._told: dict[tuple[str, int, int], MergedFinding] = {}
        self._alone: dict[tuple[str, int, Severity], MergedFinding] = {}

    def row(self, kind: str, name: str, package: Package, location: str, members: Sequence[Member]) -> MergedFinding:
        """Make a row.

        Args:
            kind: of all the findings.
            name: the best name of the thing.
            package: what it is in; `NOTHING` for none.
            location: without its root, where that makes it the thing it is.
            members: the findings, at least one, in the order of the scans. Where some are suppressed by their scanner
                and others are not, the row says what the others say.
        """
        alone = len(members) == 1 and members[0][1].suppressed is None and "\n" not in members[0][1].place
        row = (self._of_one if alone else self._of_several)(kind, name, package, location, members)
        # Apart, for a call with as many fields as somebody says takes longer than one without.
        return msgspec.structs.replace(row, **_carried(members)) if _CARRIED else row

    def _of_several(
        self, kind: str, name: str, package: Package, location: str, members: Sequence[Member]
    ) -> MergedFinding:
        """The row of findings that may say different things."""
        members, hidden, suppressed = self._heard(members)
        aliases: set[str] = set()
        locations: set[str] = set()
        spots: dict[str, set[Spot]] = {}
        fixes: set[str] = set()
        ratings: list[tuple[int, Cvss]] = []
        severities: dict[str, Severity] = {}
        title, titled, highest, found, scans = "", -1, -1, 0, self._names
        for number, finding, names in members:
            scan, given = scans[number], finding.severity
            rank = _RANKS[given]
            found |= 1 << number
            if scan not in severities or rank > _RANKS[severities[scan]]:
                severities[scan] = given
            if rank > highest:
                highest, severity = rank, given
            if names:
                aliases.update(names)
            own = spots.setdefault(scan, set())
            if "\n" in finding.place:
                own.update((finding.location, place) for place in finding.place.split("\n"))
            else:
                own.add((finding.location, finding.place))
            if finding.location:
                locations.add(finding.location)
            if finding.fixed_version:
                fixes.add(finding.fixed_version)
            if finding.cvss is not None:
                ratings.append((number, finding.cvss))
            if finding.title and (not title or (number == titled and finding.title < title)):
                title, titled = finding.title, number
        counts, most = _counts(spots)
        count = counts[most]
        return msgspec.structs.replace(
            self._found(kind, found, hidden),
            key=finding_key(kind, name, package, location),
            id=name,
            package=package.label,
            version=package.version,
            purl=package.purl,
            ecosystem=package.ecosystem,
            severity=severity,
            severities=self._same(severities),
            aliases=other_names(name, aliases) if aliases else (),
            title=title if count == 1 else _LINE.sub("", title),
            qualifiers=_qualifiers(members) if package.purl else (),
            locations=_paths(locations) if len(locations) > 1 else tuple(locations),
            count=count,
            counts=self._same(counts),
            places=_places(spots[most]),
            fixed_version=_fix(package, fixes, members) if fixes else "",
            cvss=_best_rating(ratings) if ratings else None,
            suppressed_in=self._scans_of(hidden) if hidden else (),
            suppressed=suppressed,
        )

    def _of_one(
        self, kind: str, name: str, package: Package, location: str, members: Sequence[Member]
    ) -> MergedFinding:
        """The row of one finding in one place, which most are: nothing has to be compared."""
        number, finding, names = members[0]
        fix, purl = finding.fixed_version, package.purl
        alike = kind, number, finding.severity
        return msgspec.structs.replace(
            self._alone.get(alike) or self._of_scan(*alike),
            key=finding_key(kind, name, package, location),
            id=name,
            package=package.label,
            version=package.version,
            purl=purl,
            ecosystem=package.ecosystem,
            aliases=other_names(name, names) if names else (),
            title=finding.title,
            qualifiers=qualifiers_of(finding.purl) if purl and finding.purl else (),
            locations=(finding.location,) if finding.location else (),
            places=(finding.place,) if finding.place else (),
            fixed_version=fix if not fix or is_plain(fix) else _fix(package, {fix}, members),
            cvss=finding.cvss,
        )

    def _of_scan(self, kind: str, number: int, severity: Severity) -> MergedFinding:
        """What is the same in all rows that one scan alone finds once, with this severity."""
        scan = self._names[number]
        made = self._alone[kind, number, severity] = msgspec.structs.replace(
            self._found(kind, 1 << number, 0), severity=severity, severities={scan: severity}, counts={scan: 1}
        )
        return made

    def _same(self, said: dict[str, Any]) -> dict[str, Any]:
        """One mapping for all rows of which scans say the same: there are few, and each takes more than a row's texts.

        Bounded, for numbers of places differ without end.
        """
        key = tuple(said.items())
        if len(self._sayings) >= _MOST_SAYINGS:
            self._sayings.clear()
        return self._sayings.setdefault(key, said)

    def _heard(self, members: Sequence[Member]) -> tuple[Sequence[Member], int, Suppressed | None]:
        """Whose word counts, which scans suppressed some of it, and what suppresses all of it, if something does."""
        hidden = 0
        for number, finding, _ in members:
            if finding.suppressed is not None:
                hidden |= 1 << number
        if not hidden:
            return members, 0, None
        opened = [member for member in members if member[1].suppressed is None]
        return (opened, hidden, None) if opened else (members, hidden, self._suppressed(members))

    def _suppressed(self, members: Sequence[Member]) -> Suppressed:
        """What all the scans' own suppressions come to: who they are, and why, in the words of the first."""
        own: list[tuple[str, Suppressed]] = []
        for number, finding, _ in members:
            if finding.suppressed is not None:
                own.append((self._names[number], finding.suppressed))
        by = dict.fromkeys(f"{scan}: {each.by}" if each.by else scan for scan, each in own)
        return Suppressed(
            by="; ".join(list(by)[:_MOST_NAMED]),
            reason=next((each.reason for _, each in own if each.reason), ""),
            status=BY_SCANNER,
            justification=next((each.justification for _, each in own if each.justification), ""),
        )

    def _scans_of(self, numbers: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys(scan for number, (scan, _, _) in enumerate(self._scans) if numbers >> number & 1))

    def _found(self, kind: str, found: int, hidden: int) -> MergedFinding:
        """Which scans found it, which did not, and which could not: the same for all rows found by the same.

        Numbers of scans are bits. Rows are made by replacing fields of what they have in common, which takes a third of
        the time of making them.
        """
        told = self._told.get((kind, found, hidden))
        if told is not None:
            return told
        found_by, known = self._scans_of(found), {*self._scans_of(found), *self._scans_of(hidden)}
        others = [each for each in self._scans if each[0] not in known and kind in each[2] and kind != OWN_KIND]
        told = self._told[kind, found, hidden] = MergedFinding(
            target=self._target,
            key="",
            kind=kind,
            id="",
            found_by=found_by,
            not_found_by=tuple(dict.fromkeys(scan for scan, ok, _ in others if ok)),
            not_scanned_by=tuple(dict.fromkeys(scan for scan, ok, _ in others if not ok)),
        )
        return told


def _carried(members: Sequence[Member]) -> dict[str, Any]:
    """Fields without a rule of their own, as the first finding has them that says something."""
    said: dict[str, Any] = {}
    for name, default in _CARRIED.items():
        values = (getattr(finding, name) for _, finding, _ in members)
        said[name] = next((value for value in values if value != default), default)
    return said


def _counts(spots: Mapping[str, set[Spot]]) -> tuple[dict[str, int], str]:
    """How many of a thing each scan names, and the first scan that names the most.

    Scans that find the same ones are not added up: nobody can say which of them one scanner calls by a line, and the
    other by a name.
    """
    counts = {
        scan: len(own) if len(own) == 1 else len({(rootless(location), place) for location, place in own})
        for scan, own in spots.items()
    }
    return counts, max(counts, key=counts.__getitem__)


def _places(spots: set[Spot]) -> tuple[str, ...]:
    """The places that one scan names, in order; with their locations where these are several."""
    if len(spots) == 1:
        place = next(iter(spots))[1]
        return (place,) if place else ()
    several = len({rootless(location) for location, _ in spots}) > 1
    found = {f"{location}: {place}" if several and location else place for location, place in spots if place}
    return tuple(nsmallest(MOST_PLACES, found, key=in_order))


def _best_rating(ratings: Sequence[tuple[int, Cvss]]) -> Cvss:
    """The rating of the highest CVSS version, of the first scan that has it; of several the highest."""
    if len(ratings) == 1:
        return ratings[0][1]
    return max(
        ratings, key=lambda each: (_number(each[1].version), -each[0], each[1].score, each[1].vector, each[1].version)
    )[1]


@lru_cache(maxsize=64)
def _number(version: str) -> float:
    return float(version) if _NUMBER.fullmatch(version) else 0.0


def _paths(locations: set[str]) -> tuple[str, ...]:
    """The paths, sorted; of two spellings of one only the first in alphabetical order."""
    return tuple(sorted({rootless(each): each for each in sorted(locations, reverse=True)}.values()))


def _fix(package: Package, fixes: set[str], members: Sequence[Member]) -> str:
    """The best fixed version of what the records say; no work where they all say the same one."""
    if len(fixes) == 1 and is_plain(text := next(iter(fixes))):
        return text
    # In the order of the scans, so that the first one's spelling holds where two are of one value.
    said = sorted({(number, finding.fixed_version) for number, finding, _ in members if finding.fixed_version})
    return best_fix(package.ecosystem, package.version, tuple(dict.fromkeys(text for _, text in said)))


def _qualifiers(members: Sequence[Member]) -> tuple[tuple[str, str], ...]:
    """What the package URLs of all members say beside what makes them the same package.

    A scan that says something of one of its members and not of another means two of them (an artifact with a
    classifier, and the one without): the value is then empty, too. Another scan may only say less.
    """
    found = {qualifiers_of(finding.purl) for _, finding, _ in members if finding.purl}
    if len(found) == 1:
        return found.pop()
    pairs = {pair for each in found for pair in each}
    by_scan: dict[int, dict[tuple[tuple[str, str], ...], set[str]]] = {}
    for number, finding, _ in members:
        if finding.purl:
            said = qualifiers_of(finding.purl)
            by_scan.setdefault(number, {})[said] = {key for key, _ in said}
    for own in by_scan.values():
        keys = set().union(*own.values())
        pairs |= {(key, "") for each in own.values() for key in keys - each}
    return tuple(sorted(pairs))
