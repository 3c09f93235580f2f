"""The judge of a run: counts findings target by target as they are merged, and says at the end what was broken."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from orchestrator.analysis.feeds import Feeds
from orchestrator.analysis.policy.cells import ROWS, judge_coverage, judge_databases
from orchestrator.analysis.policy.rules import RuleSet
from orchestrator.analysis.policy.words import name_target, number, some, spell_rule, unjudged
from orchestrator.model import PolicyRule, Verdict, Violation
from orchestrator.model.policy import SEVERITY, Offender

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from orchestrator.model import LedgerRow, MergedFinding, Policy, Severity

_CVE = "CVE-"


class Judge:
    """Applies one policy to one run.

    Args:
        policy: of the run's plan.
        now: with a time zone; what the age of findings is reckoned from. The run's creation or end, so that judging
            it again says the same.
        feeds: as `read_feeds` gives them; none by default.
        databases: names of the scans that have a database.
    """

    def __init__(
        self, policy: Policy, *, now: datetime, feeds: Feeds | None = None, databases: Collection[str] = ()
    ) -> None:
        self._policy = policy
        self._feeds = feeds or Feeds()
        self._databases = frozenset(databases)
        built_in = (PolicyRule(name=SEVERITY, severity=policy.severity),) if policy.severity else ()
        self._rules = (*built_in, *policy.rules)
        self._missing = {rule.name: text for rule in self._rules if (text := _missing(rule, self._feeds))}
        usable = [rule for rule in self._rules if rule.name not in self._missing]
        self._places = {rule.name: bit for bit, rule in enumerate(usable)}
        self._set = RuleSet(usable, now)
        self._counts: dict[str, dict[int, int]] = {}  # by target, then by the rules that count
        self._repeated: dict[int, int] = {}  # by the rules that count: what is no row of its own
        self._first: list[list[str]] = [[] for _ in usable]
        self._offenders: list[list[Offender]] = [[] for _ in usable]
        self._severities: Counter[Severity] | None = None if any(rule.severity for rule in self._rules) else Counter()
        self._open = (1 << len(usable)) - 1  # rules that have room for more first rows

    def look(self, owners: Sequence[str], findings: Sequence[MergedFinding]) -> list[MergedFinding]:
        """Count what was found in one target.

        Args:
            owners: of the target.
            findings: of the target, with `suppressed` and `first_seen` in their final state.

        Returns:
            The same, with `epss`, `kev` and `rules` set.
        """
        owned = self._set.owned(owners)
        counts: dict[int, int] = {}
        looked = []
        fed = bool(self._feeds.epss or self._feeds.kev)
        for finding in findings:
            epss, kev = self._known(finding) if fed else (None, False)
            rules: tuple[str, ...] = ()
            if owned and finding.suppressed is None and (bits := self._set.count(owned, finding, epss, kev)):
                rules = self._set.names(bits)
                things = finding.things
                counts[bits] = counts.get(bits, 0) + things
                if things > 1:
                    self._repeated[bits] = self._repeated.get(bits, 0) + things - 1
                if bits & self._open:
                    self._note(bits & self._open, finding)
            if epss != finding.epss or kev != finding.kev or rules != finding.rules:
                finding = msgspec.structs.replace(finding, epss=epss, kev=kev, rules=rules)  # noqa: PLW2901
            looked.append(finding)
        self._count_severities(findings)
        if counts:
            of_target = self._counts.setdefault(findings[0].target, {})
            for bits, count in counts.items():
                of_target[bits] = of_target.get(bits, 0) + count
        return looked

    def _count_severities(self, findings: Sequence[MergedFinding]) -> None:
        """Count what nobody judges, to say so."""
        if self._severities is None:
            return
        self._severities.update([each.severity for each in findings if each.suppressed is None])
        for finding in findings:
            if finding.count > 1 and finding.suppressed is None:
                self._severities[finding.severity] += finding.things - 1

    def verdict(self, rows: Sequence[LedgerRow]) -> Verdict:
        """What the policy says of the run, after all its targets were looked at.

        Args:
            rows: the ledger's.
        """
        found = [judge_coverage(self._policy, rows)]
        labels = {row.target: name_target(row) for row in reversed(rows)}
        if self._policy.severity:
            found.append(self._judge(self._rules[0], labels))
        found.append(judge_databases(self._policy, rows, self._databases))
        found += [self._judge(rule, labels) for rule in self._policy.rules]
        broken = tuple(rule for rule in found if rule is not None)
        return Verdict(
            passed=not broken or self._policy.warn_only,
            broken=tuple(rule.message for rule in broken),
            rules=broken,
            remark="" if self._severities is None else unjudged(self._severities),
        )

    def _known(self, finding: MergedFinding) -> tuple[float | None, bool]:
        """What the feeds say of a finding under any of its CVE ids: the highest score, and whether one is exploited."""
        scores, listed = self._feeds.epss, self._feeds.kev
        score, kev = scores.get(finding.id), finding.id in listed
        for alias in finding.aliases:
            if alias.startswith(_CVE):
                other = scores.get(alias)
                if other is not None and (score is None or other > score):
                    score = other
                kev = kev or alias in listed
        return score, kev

    def _note(self, bits: int, finding: MergedFinding) -> None:
        """Keep the finding among the first rows of these rules."""
        times = f" ({finding.things} of it)" if finding.things > 1 else ""
        row = f"{finding.target} {finding.key}{times}"
        offender = Offender(
            target=finding.target,
            id=finding.id,
            severity=finding.severity,
            package=finding.package or next(iter(finding.locations), ""),
            version=finding.version,
            fixed_version=finding.fixed_version,
            things=finding.things,
        )
        for bit, rows in enumerate(self._first):
            if bits >> bit & 1:
                rows.append(row)
                self._offenders[bit].append(offender)
                if len(rows) == ROWS:
                    self._open &= ~(1 << bit)

    def _judge(self, rule: PolicyRule, labels: Mapping[str, str]) -> Violation | None:
        """Whether more findings count against a rule than it allows."""
        if rule.name in self._missing:
            return Violation(
                rule=rule.name, message=f"{rule.name}: cannot be judged: {self._missing[rule.name]}", count=0
            )
        bit = self._places[rule.name]
        counts = {
            target: count
            for target, by_rules in self._counts.items()
            if (count := sum(count for bits, count in by_rules.items() if bits >> bit & 1))
        }
        total = sum(counts.values())
        if total <= rule.at_most:
            return None
        worst = sorted(counts, key=lambda target: (-counts[target], labels.get(target, target)))
        message = (
            f"{rule.name}: {total} {spell_rule(rule, total)} ({rule.at_most} allowed), "
            f"in {number(len(worst), 'target')}: {some([f'{labels.get(one, one)}: {counts[one]}' for one in worst])}"
        )
        repeated = sum(count for bits, count in self._repeated.items() if bits >> bit & 1)
        return Violation(
            rule=rule.name,
            message=message,
            count=total,
            rows=tuple(self._first[bit]),
            total=total - repeated if repeated else 0,
            findings=tuple(self._offenders[bit]),
        )


def _missing(rule: PolicyRule, feeds: Feeds) -> str:
    """Why a rule cannot be judged; empty when it can."""
    asked = {"epss": rule.epss > 0, "kev": rule.kev}
    return "; ".join(text for kind, text in feeds.missing.items() if asked.get(kind))
