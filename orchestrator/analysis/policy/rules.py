"""Which of a policy's rules count a finding, fast enough for millions of them.

Rules are bits of one number, so that each question is asked once for all rules, and its answer kept by what it depends
on: the owners of a target, the first sight of a finding, its score, and the rest of it. What a finding is counted by is
then the `and` of a few numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestrator.kit.matching import any_glob
from orchestrator.model.documents import spell_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    from orchestrator.model import MergedFinding, PolicyRule

    K = TypeVar("K")
    V = TypeVar("V")

#: Most answers that are kept of one question; the words they depend on come from scanners.
_KEPT = 50_000
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class RuleSet:
    """Rules, asked for each finding.

    Args:
        rules: their places are the bits of the numbers that `count` gives.
        now: with a time zone; what age is reckoned from.
    """

    def __init__(self, rules: Sequence[PolicyRule], now: datetime) -> None:
        self._rules = rules
        self._now = now
        self._kept: dict[tuple[str, str, tuple[str, ...], str, bool], int] = {}
        self._ages: dict[str, int] = {}
        self._names: dict[int, tuple[str, ...]] = {}
        self._cutoffs = [self._cutoff(rule.older_than) for rule in rules]
        self._thresholds = sorted({rule.epss for rule in rules})
        # By the number of thresholds that a score reaches.
        self._scored = [self._reached(score) for score in (0.0, *self._thresholds)]
        self._unlisted = _bits(not rule.kev for rule in rules)
        self._listed = _bits(True for _ in rules)

    def owned(self, owners: Sequence[str]) -> int:
        """The rules that count findings of a target with these owners."""
        return _bits(not rule.owners or any_glob(owners, rule.owners) for rule in self._rules)

    def count(self, owned: int, finding: MergedFinding, epss: float | None, kev: bool) -> int:
        """The rules that count a finding, by their bits.

        Args:
            owned: as `owned` gives it for its target.
            finding: whose `suppressed`, `epss` and `kev` are not looked at.
            epss: its score; None for none.
            kev: whether it is known to be exploited.
        """
        depends = (
            finding.severity,
            finding.kind,
            finding.found_by,
            finding.ecosystem,
            finding.fixed_version != "",
        )
        found = self._kept.get(depends)
        if found is None:
            found = _keep(self._kept, depends, self._match(finding))
        found &= owned
        if not found:
            return 0
        found &= self._listed if kev else self._unlisted
        found &= self._scored[bisect_right(self._thresholds, epss or 0.0)]
        if found:
            aged = self._ages.get(finding.first_seen)
            if aged is None:
                aged = _keep(self._ages, finding.first_seen, self._aged(finding.first_seen))
            found &= aged
        return found

    def names(self, bits: int) -> tuple[str, ...]:
        """Names of rules by their bits, in the policy's order."""
        found = self._names.get(bits)
        if found is None:
            names = tuple(rule.name for bit, rule in enumerate(self._rules) if bits >> bit & 1)
            found = _keep(self._names, bits, names)
        return found

    def _match(self, finding: MergedFinding) -> int:
        """The rules that a finding fulfils as far as it does not change from run to run."""
        rank = finding.severity.rank
        bits = 0
        for bit, rule in enumerate(self._rules):
            fulfilled = (
                (rule.severity is None or rank >= rule.severity.rank)
                and (not rule.kinds or finding.kind in rule.kinds)
                and (not rule.scans or any_glob(finding.found_by, rule.scans))
                and (not rule.ecosystems or finding.ecosystem in rule.ecosystems)
                and (not rule.fixable or finding.fixed_version != "")
            )
            bits |= fulfilled << bit
        return bits

    def _aged(self, first_seen: str) -> int:
        """The rules for which it is old enough; moments in UTC are in order as text, and no moment is before all."""
        return _bits(cutoff is None or first_seen < cutoff for cutoff in self._cutoffs)

    def _cutoff(self, age: int) -> str | None:
        if not age:
            return None
        try:
            return spell_time(self._now - timedelta(seconds=age))
        except OverflowError:  # nothing is so old, but for what nobody knows the age of
            return spell_time(_BEGINNING)

    def _reached(self, score: float) -> int:
        return _bits(rule.epss <= score for rule in self._rules)


def _bits(truths: Iterable[bool]) -> int:
    return sum(1 << bit for bit, truth in enumerate(truths) if truth)


def _keep(kept: dict[K, V], key: K, value: V) -> V:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[key] = value
    return value
