"""The names of one thing: which of them is the best, and which vulnerability a name stands for.

The unit is the CVE. An advisory (GHSA, ELSA, RHSA, USN, DSA, …) stands for the CVEs among its aliases, one or many; an
id that has a CVE within it (`UBUNTU-CVE-2021-44228`) stands for that. What has no CVE stands for those that others link
to its ids, else it and all that share an id with it are a thing of their own.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter

from orchestrator.kit.ids import clean
from orchestrator.kit.remembering import SPELLINGS
from orchestrator.model import Finding

Pair = tuple[int, Finding]
"""The number of a scan, and a finding that it reports."""

Member = tuple[int, Finding, tuple[str, ...]]
"""The same, and the ids that it has for a thing besides the thing's name; the name itself may be among them."""

_CVE = re.compile(r"(?<![A-Za-z0-9])CVE-\d{4}-\d+", re.IGNORECASE)
_GHSA = re.compile(r"GHSA(?:-[0-9A-Za-z]{4}){3}", re.IGNORECASE)
_LONGEST = 300
# Real advisories are far below these; without them a report of a few MB could make rows without end.
_MOST_NAMES = 10_000
_MOST_LINKED = 100_000


def cves_of(name: str) -> tuple[str, ...]:
    """The CVEs within an id, in upper case; none for most advisories."""
    return _cves_of(name[:_LONGEST])


def spell(name: str) -> str:
    """An id as its authority spells it: `CVE-…` in upper case, `GHSA-…` in lower case after that, no blanks around."""
    return _spell(name) if len(name) < _LONGEST else name


@lru_cache(maxsize=SPELLINGS)
def _cves_of(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.upper() for found in _CVE.findall(clean(name))))


@lru_cache(maxsize=SPELLINGS)
def _spell(name: str) -> str:
    name = clean(name)
    if _CVE.fullmatch(name):
        return name.upper()
    return f"GHSA{name[4:].lower()}" if _GHSA.fullmatch(name) else name


def by_vulnerability(pairs: Iterable[Pair]) -> dict[str, list[Member]]:
    """The findings of one package, by the best name of each vulnerability; an advisory of several is in all of them.

    Takes them in the order of the scans, and gives them so.
    """
    units: dict[str, list[Member]] = {}
    nameless: list[Pair] = []
    for pair in pairs:
        number, finding = pair
        name = finding.id
        known = units.get(name)
        if known is not None:
            known.append((number, finding, finding.aliases))
        elif cves := _cves_of(name[:_LONGEST]):
            member = number, finding, finding.aliases if cves[0] == name else (name, *finding.aliases)
            for cve in cves:
                units.setdefault(cve, []).append(member)
        elif finding.aliases and (found := _of_advisory(finding))[0]:
            member = number, finding, found[1]
            for cve in found[0]:
                units.setdefault(cve, []).append(member)
        else:
            nameless.append(pair)
    if nameless:
        _add_nameless(units, nameless)
    return units


def by_alias(pairs: Sequence[Pair]) -> dict[str, list[Member]]:
    """Findings in groups that share an id, by the best name of each group."""
    return {_best_name(group, (_CVE, _GHSA)): [_whole(pair) for pair in group] for group in _connected(pairs)}


def _best_name(pairs: Sequence[Pair], kinds: Sequence[re.Pattern[str]]) -> str:
    """The first id of one of these kinds, else what the first scan calls it."""
    known = sorted({spell(name) for _, finding in pairs for name in (finding.id, *finding.aliases)})
    for kind in kinds:
        if found := next(filter(kind.fullmatch, known), None):
            return found
    return min((number, spell(finding.id)) for number, finding in pairs)[1]


def other_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Every other id of a thing, sorted."""
    found = {_spell(each) if len(each) < _LONGEST else each for each in names}
    found.discard(name)
    return tuple(sorted(found))


def _whole(pair: Pair) -> Member:
    number, finding = pair
    return number, finding, (finding.id, *finding.aliases)


def _of_advisory(finding: Finding) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The CVEs of an advisory, and the ids that it has for each of them: the CVEs are things of their own."""
    if len(finding.aliases) == 1:
        return _cves_of(finding.aliases[0][:_LONGEST]), (finding.id, finding.aliases[0])
    cves = tuple(dict.fromkeys([cve for alias in finding.aliases for cve in _cves_of(alias[:_LONGEST])]))
    if len(cves) == 1:
        return cves, (finding.id, *finding.aliases)
    names = (finding.id, *(alias for alias in finding.aliases if not cves_of(alias)))
    return (cves, names) if len(cves) * len(names) <= _MOST_NAMES else ((), names)


def _add_nameless(units: dict[str, list[Member]], nameless: list[Pair]) -> None:
    """Add the findings that know no CVE: to the CVEs that others link to their ids, else as units of their own."""
    cves: dict[int, list[str]] = defaultdict(list)
    linked: dict[str, set[int]] = defaultdict(set)
    for cve, members in units.items():
        for _, finding, names in members:
            if id(finding) not in cves:
                for name in (finding.id, *names):
                    linked[spell(name)].add(id(finding))
            cves[id(finding)].append(cve)
    for group in _connected(nameless):
        ids = {spell(name) for _, finding in group for name in (finding.id, *finding.aliases)}
        links = set().union(*(linked[each] for each in ids if each in linked))
        found = sorted({cve for link in links for cve in cves[link]})
        whole = [_whole(pair) for pair in dict.fromkeys(group)]
        if found and len(found) * sum(len(names) for _, _, names in whole) <= _MOST_LINKED:
            for cve in found:
                units[cve] = sorted([*units[cve], *whole], key=itemgetter(0))
        else:
            units.setdefault(_best_name(group, (_GHSA,)), []).extend(whole)


def _connected(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Findings in groups, so that two that share an id are in the same one (union-find)."""
    first = pairs[0][1]
    if all(finding.id == first.id for _, finding in pairs):
        return [list(pairs)]
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = name = parents[parent]
        return name

    for _, finding in pairs:
        own = root(spell(finding.id))
        for alias in finding.aliases:
            parents[root(spell(alias))] = own
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(root(spell(pair[1].id)), []).append(pair)
    return list(groups.values())
