"""Suppression itself: what people know better, laid over the merged findings of each target.

Which word counts, when several are there:

* Of VEX statements, see `orchestrator.analysis.suppression.statements`.
* A rule is the decision of the people who run this: it also suppresses what VEX calls affected. `vex` says so then.
* Where both suppress, the VEX statement is named: it says why, and does not end.
* Of several rules that hold, the first of the file is named.
* What the scanners themselves suppressed stays so, unless a VEX statement says that it is affected, or not yet known:
  then people have looked. Where a statement or a rule suppresses it as well, that is named, because it is yours.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.analysis.suppression import remarks
from orchestrator.analysis.suppression.first_use import DEFAULT, key_of
from orchestrator.analysis.suppression.matching import IgnoreRules, JudgedTarget
from orchestrator.analysis.suppression.statements import OfId, Statements, TargetKeys
from orchestrator.kit.ids import folded
from orchestrator.model import Suppressed
from orchestrator.model.documents import spell_time
from orchestrator.packages.qualifiers import TargetSurroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.model import IgnoreRule, MergedFinding, Suppression, VexStatement

_NOTHING: tuple[tuple[int, ...], OfId | None] = ((), None)
# Ids that are remembered: memory stays bounded however many a run has.
_REMEMBERED = 500_000


class JudgedParts(NamedTuple):
    """A target as rules and as statements name it."""

    names: JudgedTarget
    keys: TargetKeys


class Suppressor:
    """Suppresses findings of one run, target by target; nothing is taken away, suppressed ones are marked."""

    def __init__(self, suppression: Suppression, *, now: datetime, first_used: Mapping[str, str]) -> None:
        """Prepare everything that does not depend on the findings.

        Args:
            suppression: of the plan.
            now: with a time zone; rules that ended before do not hold.
            first_used: as `orchestrator.analysis.suppression.first_used` gives it; a rule without an expiry that is not
                in it is used now for the first time.
        """
        self._suppression = suppression
        self._now = now
        self._ends = [_end(rule, now, first_used) for rule in suppression.rules]
        self._until = [spell_time(end) for end in self._ends]
        self._holds = [now < end for end in self._ends]
        self._rules = IgnoreRules(suppression.rules)
        self._statements = Statements(suppression.statements)
        self._known: dict[str, tuple[tuple[int, ...], OfId | None]] = {}
        self._matched: Counter[int] = Counter()
        self._returned: Counter[int] = Counter()
        self._against: dict[tuple[int, int], tuple[str, int]] = {}

    def apply(
        self,
        references: Sequence[str],
        owners: Sequence[str],
        digest: str,
        findings: Sequence[MergedFinding],
        *,
        platform: str = "",
        indexes: Sequence[str] = (),
    ) -> list[MergedFinding]:
        """Mark what is suppressed of one target.

        Args:
            references: every name of the target, normalised.
            owners: everybody who answers for it.
            digest: of the platform's manifest, or `git:<hash>` of a commit; empty when unknown.
            findings: of the target.
            platform: `os/architecture[/variant]`; empty when unknown: statements for one architecture hold then, too.
            indexes: digests of the indexes that led to the image.

        Returns:
            As many findings in the same order, `suppressed` and `vex` set.
        """
        found = {each.qualifiers for each in findings}
        target = self.target(references, owners, digest, platform=platform, indexes=indexes, qualifiers=found)
        return self.apply_to(target, findings)

    def target(
        self,
        references: Sequence[str],
        owners: Sequence[str],
        digest: str,
        *,
        platform: str,
        indexes: Sequence[str],
        qualifiers: Iterable[tuple[tuple[str, str], ...]],
    ) -> JudgedParts | None:
        """One target, whose findings come in parts; None where nothing is to be marked.

        Args:
            references: as of `apply`, and the next four likewise.
            owners: likewise.
            digest: likewise.
            platform: likewise.
            indexes: likewise.
            qualifiers: of all findings of the target.
        """
        if not (self._suppression.rules or self._suppression.statements):
            return None
        around = TargetSurroundings.of(platform, qualifiers)
        keys = self._statements.target(references, digest, around, indexes)
        return JudgedParts(JudgedTarget(references, owners, digest, around, indexes), keys)

    def apply_to(self, target: JudgedParts | None, findings: Sequence[MergedFinding]) -> list[MergedFinding]:
        """Mark what is suppressed of some findings of a target, as `apply` does."""
        if not self._suppression.scanners:
            findings = [msgspec.structs.replace(one, suppressed=None) if one.suppressed else one for one in findings]
        if target is None:
            return list(findings)
        known, look_up = self._known, self._look_up
        beyond = self._rules.beyond if self._rules.beyond_ids else None
        result = []
        for finding in findings:
            first = known.get(finding.id) or look_up(finding.id)
            found = [first] if first is not _NOTHING else []
            for alias in finding.aliases:
                other = known.get(alias) or look_up(alias)
                if other is not _NOTHING:
                    found.append(other)
            numbers = beyond(finding) if beyond else ()
            result.append(self._judge(finding, found, numbers, target) if found or numbers else finding)
        return result

    def notes(self) -> list[str]:
        """What people should know of their rules and statements, once all targets were looked at; a sentence each."""
        states = [
            remarks.RuleState(rule, end, self._matched[number], self._returned[number])
            for number, (rule, end) in enumerate(zip(self._suppression.rules, self._ends, strict=True))
        ]
        statements = self._suppression.statements
        against = [(statements[one], statements[other], *told_of) for (one, other), told_of in self._against.items()]
        return [
            *remarks.of_rules(states, self._now),
            *remarks.of_contradictions(against),
            *remarks.of_statements(statements, self._statements.matched),
            *self._suppression.notes,
        ]

    def _look_up(self, id_: str) -> tuple[tuple[int, ...], OfId | None]:
        """What is known about an id: numbers of the rules that name it, and the statements about it."""
        key = folded(id_)
        found = (self._rules.ids(key), self._statements.by_id.get(key))
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        result = self._known[id_] = found if found[0] or found[1] else _NOTHING
        return result

    def _judge(
        self,
        finding: MergedFinding,
        found: list[tuple[tuple[int, ...], OfId | None]],
        beyond: tuple[int, ...],
        target: JudgedParts,
    ) -> MergedFinding:
        """One finding of which something may be known: by its ids, or beyond them."""
        statement = self._statement(finding, [of_id for _, of_id in found if of_id], target.keys)
        numbers = [*beyond, *(number for numbers, _ in found for number in numbers)]
        rules = self._rules.matching(finding, numbers, target.names) if numbers else []
        self._matched.update(rules)
        by_rule = next((number for number in rules if self._holds[number]), None)
        suppressed = _by_statement(statement) if statement else None
        if suppressed is None and by_rule is not None:
            suppressed = self._by_rule(by_rule)
        if suppressed is None and statement is None:
            suppressed = finding.suppressed
        if suppressed is None:
            self._returned.update(rules)
        vex = statement.status.value if statement else ""
        if suppressed is finding.suppressed and not vex:
            return finding
        return msgspec.structs.replace(finding, suppressed=suppressed, vex=vex)

    def _statement(self, finding: MergedFinding, known: list[OfId], keys: TargetKeys) -> VexStatement | None:
        holding = self._statements.find(finding, known, keys) if known else None
        if holding is None:
            return None
        if holding.against is not None:
            pair = (holding.number, holding.against)
            id_, count = self._against.get(pair, (finding.id, 0))
            self._against[pair] = (id_, count + 1)
        return self._suppression.statements[holding.number]

    def _by_rule(self, number: int) -> Suppressed:
        rule = self._suppression.rules[number]
        return Suppressed(
            by=rule.name,
            reason=rule.reason,
            status="ignored",
            until=self._until[number],
            justification=rule.justification,
        )


def _by_statement(statement: VexStatement) -> Suppressed | None:
    if not statement.status.suppresses:
        return None
    reason = statement.detail or (statement.justification or statement.status.value).replace("_", " ")
    return Suppressed(
        by=statement.source, reason=reason, status=statement.status.value, justification=statement.justification
    )


def _end(rule: IgnoreRule, now: datetime, first_used: Mapping[str, str]) -> datetime:
    """From when on a rule no longer holds."""
    if rule.expires:
        return datetime.fromisoformat(rule.expires)
    begun = first_used.get(key_of(rule), "")
    return (datetime.fromisoformat(begun) if begun else now) + DEFAULT
