"""Which ignore rules match a finding, without asking all of them.

A rule is found by its id; one without, by its package; one without either, by its path. What is found so is then asked
about everything else that it demands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.images.names import names_of_target
from orchestrator.kit.ids import folded
from orchestrator.kit.matching import REMEMBERED, Globs, glob
from orchestrator.packages.ecosystems import is_purl
from orchestrator.packages.qualifiers import hold, is_exact, qualifiers_of
from orchestrator.packages.spellings import names_in, patterns_meant, purls_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.model import IgnoreRule, MergedFinding
    from orchestrator.packages.qualifiers import TargetSurroundings

_Check = dict[object, bool]


class JudgedTarget:
    """A target while its findings are looked at: which rules are about it, each found out when it is first needed."""

    def __init__(
        self,
        references: Sequence[str],
        owners: Sequence[str],
        digest: str,
        around: TargetSurroundings,
        indexes: Sequence[str] = (),
    ) -> None:
        self.around = around
        self._names = names_of_target(references, digest, indexes)
        self._owners = owners
        self._known: dict[int, bool] = {}

    def meant_by(self, number: int, rule: _Compiled) -> bool:
        """Whether a rule is about this target."""
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = (rule.target is None or any(map(rule.target, self._names))) and (
                rule.owner is None or any(map(rule.owner, self._owners))
            )
        return known


class _Compiled:
    """A rule with its patterns as functions; None for a pattern that is not given."""

    def __init__(self, rule: IgnoreRule) -> None:
        self.by_id = bool(rule.id)
        self.by_package = bool(rule.package)
        self._of_purl = is_purl(rule.package)
        self._package = tuple(glob(each) for each in patterns_meant(rule.package)) if rule.package else None
        self._qualifiers = qualifiers_of(rule.package) if self._of_purl else ()
        self._exact = is_exact(rule.package)
        self._path = glob(_plain(rule.path)) if rule.path else None
        self._scan = glob(rule.scan) if rule.scan else None
        self.target = glob(rule.target) if rule.target else None
        self.owner = glob(rule.owner) if rule.owner else None
        self._scans: _Check = {}
        self._packages: _Check = {}

    def matches(self, finding: MergedFinding, around: TargetSurroundings) -> bool:
        """Whether everything but its id and its target is as the rule says."""
        return (
            (self._package is None or self._has_package(finding))
            and (not self._qualifiers or self._is_qualified(finding, around))
            and (self._scan is None or self._has_scans(finding.found_by))
            and (
                self._path is None
                or (bool(finding.locations) and all(self._path(_plain(location)) for location in finding.locations))
            )
        )

    def _has_package(self, finding: MergedFinding) -> bool:
        place = (finding.purl, finding.package, finding.version if self._of_purl else "")
        known = self._packages.get(place)
        if known is None:
            texts = purls_in(*place) if self._of_purl else names_in(finding.purl, finding.package)
            assert self._package is not None  # noqa: S101 - asked only where there is one
            known = self._packages[place] = any(matches(text) for matches in self._package for text in texts)
        return known

    def _is_qualified(self, finding: MergedFinding, around: TargetSurroundings) -> bool:
        demanded, found = self._qualifiers, finding.qualifiers
        return hold(demanded, finding.ecosystem, found, around, exact=self._exact, glob=True)

    def _has_scans(self, scans: tuple[str, ...]) -> bool:
        known = self._scans.get(scans)
        if known is None:
            assert self._scan is not None  # noqa: S101 - as above
            known = self._scans[scans] = bool(scans) and all(map(self._scan, scans))
        return known


class IgnoreRules:
    """All rules of a run.

    Attributes:
        ids: patterns of ids, for ids as `orchestrator.kit.ids.folded` gives them.
        beyond_ids: whether a finding whose ids no rule names may be meant all the same.
    """

    def __init__(self, rules: Sequence[IgnoreRule]) -> None:
        self._compiled = [_Compiled(rule) for rule in rules]
        numbered = list(enumerate(rules))
        self.ids = Globs((folded(rule.id), number) for number, rule in numbered if rule.id)
        packages = [(rule.package, number) for number, rule in numbered if rule.package and not rule.id]
        self._names = Globs(
            (each, number) for text, number in packages if not is_purl(text) for each in patterns_meant(text)
        )
        self._purls = Globs(
            (each, number) for text, number in packages if is_purl(text) for each in patterns_meant(text)
        )
        self._paths = Globs(
            (_plain(rule.path), number) for number, rule in numbered if rule.path and not rule.id and not rule.package
        )
        self._by_purl: dict[tuple[str, str, str], tuple[int, ...]] = {}
        self._has_names, self._has_purls, self._has_paths = map(bool, (self._names, self._purls, self._paths))
        self.beyond_ids = self._has_names or self._has_purls or self._has_paths

    def beyond(self, finding: MergedFinding) -> tuple[int, ...]:
        """Rules without an id that may match a finding, by its package and its path."""
        found: tuple[int, ...] = ()
        if self._has_names:
            for name in names_in(finding.purl, finding.package):
                found += self._names(name)
        if self._has_purls and (finding.purl or finding.package):
            found += self._of_purl(finding)
        if self._has_paths and finding.locations:
            found += self._paths(_plain(finding.locations[0]))
        return found

    def matching(self, finding: MergedFinding, candidates: Iterable[int], target: JudgedTarget) -> list[int]:
        """Numbers of the rules that match, in the order of the file.

        Args:
            finding: in that target.
            candidates: rules whose id it has, and those `beyond` ids.
            target: where it was found.
        """
        return [
            number
            for number in sorted(set(candidates))
            if target.meant_by(number, self._compiled[number])
            and self._compiled[number].matches(finding, target.around)
        ]

    def _of_purl(self, finding: MergedFinding) -> tuple[int, ...]:
        place = finding.purl, "" if finding.purl else finding.package, finding.version
        known = self._by_purl.get(place)
        if known is None:
            if len(self._by_purl) >= REMEMBERED:
                self._by_purl.clear()
            texts = purls_in(finding.purl, finding.package, finding.version)
            numbers = {number for text in texts for number in self._purls(text)}
            known = self._by_purl[place] = tuple(numbers)
        return known


def _plain(path: str) -> str:
    """A path without what scanners begin it with differently: `/usr/bin/x`, `usr/bin/x`, `./usr/bin/x`."""
    return path.removeprefix(".").removeprefix("/") if path.startswith(("/", "./")) else path
