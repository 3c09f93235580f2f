"""What people should know of their rules and VEX statements after a run, in sentences; bounded, the loudest first."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.kit.quantities import spell_duration
from orchestrator.model.documents import spell_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set
    from datetime import datetime

    from orchestrator.model import IgnoreRule, VexStatement

SOON = timedelta(days=14)
"""A rule that ends within this time is named."""

_SHOWN = 20
_NAMED = 5


class RuleState(NamedTuple):
    """How a rule fared in a run.

    Attributes:
        end: from when on it does not hold.
        matched: findings that it matches, whether it holds or not.
        returned: those of them that nothing suppresses.
    """

    rule: IgnoreRule
    end: datetime
    matched: int
    returned: int


def of_rules(states: Sequence[RuleState], now: datetime) -> list[str]:
    """Rules that have ended, that end soon, or that matched nothing."""
    ended = [each for each in states if each.end <= now]
    loud = [_loud(each) for each in sorted(ended, key=lambda each: -each.returned) if each.returned]
    quiet = [
        f"the rule {each.rule.name} ended on {spell_time(each.end)}, and nothing comes back without it: remove it"
        for each in ended
        if not each.returned
    ]
    soon = [
        f"the rule {each.rule.name} ends in {spell_duration((each.end - now).total_seconds())}, on"
        f" {spell_time(each.end)}; it matches {_findings(each.matched)}"
        for each in sorted(states, key=lambda each: each.end)
        if now < each.end <= now + SOON
    ]
    idle = [each.rule.name for each in states if not each.matched and each.end > now]
    some = [f"{_count(idle, 'rule')} matched nothing in this run (misspelt, or no longer needed?): {_some(idle)}"]
    return [*_bounded(loud), *_bounded(quiet), *_bounded(soon), *(some if idle else [])]


def of_contradictions(pairs: Iterable[tuple[VexStatement, VexStatement, str, int]]) -> list[str]:
    """VEX statements of the same moment that contradict each other: which holds, which does not, an id, how often."""
    lines = [
        f"VEX statements contradict each other about {id_}: {one.source} says {one.status.value}, {other.source} says"
        f" {other.status.value}, both {f'on {one.timestamp}' if one.timestamp else 'without a time'};"
        f" {_findings(count)} not suppressed"
        for one, other, id_, count in pairs
    ]
    return _bounded(sorted(lines))


def of_statements(statements: Sequence[VexStatement], matched: Set[int]) -> list[str]:
    """VEX statements that are about nothing that was found, a line for each document."""
    unmatched: dict[str, list[str]] = defaultdict(list)
    total: dict[str, int] = defaultdict(int)
    subjects: dict[str, str] = {}
    for number, statement in enumerate(statements):
        total[statement.source] += 1
        if statement.products:
            subjects.setdefault(statement.source, statement.products[0].target or statement.products[0].package)
        if number not in matched:
            unmatched[statement.source].append(statement.ids[0])
    lines = []
    for source, ids in sorted(unmatched.items()):
        about = f"; it is about {subjects[source]}" if len(ids) == total[source] and subjects.get(source) else ""
        lines.append(
            f"VEX {source}: {len(ids)} of {_of(total[source])} about nothing found in this run: {_some(ids)}{about}"
        )
    return _bounded(lines)


def _loud(state: RuleState) -> str:
    rule = state.rule
    return (
        f"EXPIRED: the rule {rule.name} ended on {spell_time(state.end)}, so {_findings(state.returned)} came back"
        f" ({rule.reason}): fix them, or give the rule a new `expires`"
    )


def _bounded(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _SHOWN} more like this"] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"


def _count(names: Sequence[str], word: str) -> str:
    return f"{len(names)} {word}{'' if len(names) == 1 else 's'}"


def _of(count: int) -> str:
    return "1 statement" if count == 1 else f"{count} statements"
